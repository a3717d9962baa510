"""One use of the simulator: a platform, new or kept, and the files that are made of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from assay.cli.collateral_path import encode_collateral
from assay.cli.input_file import check_output, reading, write_output, writing
from assay.cli.instant import read_instant
from assay.encoding import decode_hex
from assay.endorsements.tcb import TcbStatus
from assay.errors import RequestError
from assay.simulator import SimulatedPlatform, load_platform, openenclave, save_platform
from assay.simulator.pki import EARLIEST, LATEST
from assay.simulator.sgx import SAMPLE_MR_ENCLAVE, SAMPLE_MR_SIGNER

_MEASUREMENT_SIZE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveOptions:
    """The enclave that evidence is about, as the options name it."""

    isv_prod_id: int
    isv_svn: int
    mr_enclave: str | None = None
    mr_signer: str | None = None
    debug: bool = False
    version: int = 3

    def fields(self) -> dict[str, bytes | int]:
        """As the simulator takes them.

        Raises:
            EncodingError: A measurement is not 32 bytes in hexadecimal.
        """
        return {
            "mr_enclave": _measurement(self.mr_enclave, "--mr-enclave", SAMPLE_MR_ENCLAVE),
            "mr_signer": _measurement(self.mr_signer, "--mr-signer", SAMPLE_MR_SIGNER),
            "isv_prod_id": self.isv_prod_id,
            "isv_svn": self.isv_svn,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A simulated platform at an instant. Nothing is kept before `write`."""

    platform: SimulatedPlatform
    at: datetime
    home: Path | None = None
    """Where the platform is kept; `None` where it is forgotten."""

    is_changed: bool = True
    """Whether `home` does not have it so yet."""

    @classmethod
    def open(cls, directory: Path | None, *, status: str | None, at: str | None) -> Simulation:
        """The platform in `directory`, or a new one where that is missing or empty.

        Raises:
            RequestError: The status is unknown, nothing can be simulated at the instant, or the
                directory cannot be read.
            SettingsError: The directory holds something else.
        """
        instant = _instant(at)
        wanted = None if status is None else _status(status)
        if directory is None or _is_free(directory):
            made = SimulatedPlatform.create(instant, status=wanted or TcbStatus.UP_TO_DATE)
            return cls(platform=made, at=instant, home=directory)
        kept = load_platform(directory)
        platform = kept if wanted is None else kept.with_status(wanted)
        return cls(platform=platform, at=instant, home=directory, is_changed=wanted is not None)

    def quote(self, enclave: EnclaveOptions, runtime_data: bytes | None) -> bytes:
        """An SGX quote that vouches for the runtime data."""
        report_data = b"" if runtime_data is None else sha256(runtime_data).digest()
        return self.platform.quote(
            report_data=report_data,
            version=enclave.version,
            debug=enclave.debug,
            **enclave.fields(),
        )

    def report(self, enclave: EnclaveOptions, runtime_data: bytes | None) -> bytes:
        """An Open Enclave report of the same."""
        return openenclave.legacy_report(self.quote(enclave, runtime_data))

    def evidence(self, enclave: EnclaveOptions, custom_claims: bytes) -> bytes:
        """Open Enclave evidence with custom claims."""
        return openenclave.evidence(
            self.platform, custom_claims, debug=enclave.debug, **enclave.fields()
        )

    def collateral(self) -> bytes:
        """What the platform's maker says of it, as a file that `--collateral` takes."""
        return encode_collateral(self.platform.collateral(self.at))

    def root(self) -> bytes:
        """The root certificate in PEM."""
        return self.platform.pki.root_ca.pem

    def write(
        self, evidence: bytes, out: Path, *, collateral_out: Path | None, root_out: Path | None
    ) -> dict[str, str]:
        """Write what was asked for, and last the platform; what went where.

        Raises:
            RequestError: Something cannot be written, or two are to go to one file.
        """
        files = {"--out": out, "--collateral-out": collateral_out, "--root-out": root_out}
        _check_apart({"--platform": self.home} | files)
        contents = {"evidence": (out, evidence)}
        if collateral_out is not None:
            contents["collateral"] = (collateral_out, self.collateral())
        if root_out is not None:
            contents["root"] = (root_out, self.root())
        for path, content in contents.values():
            write_output(path, content)
        written = {what: str(path) for what, (path, _) in contents.items()}
        if self.home is None:
            return written
        if self.is_changed:
            with writing(self.home):
                save_platform(self.platform, self.home)
        return {"platform": str(self.home)} | written


def _is_free(directory: Path) -> bool:
    with reading(directory):
        return not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))


def _check_apart(paths: Mapping[str, Path | None]) -> None:
    options: dict[str, str] = {}
    for option, path in paths.items():
        if path is None:
            continue
        check_output(path)
        other = options.setdefault(os.path.realpath(path), option)
        if other != option:
            raise RequestError(
                f"{other} and {option}: expected two different paths, got {path} for both"
            )


def _instant(text: str | None) -> datetime:
    instant = read_instant(text)
    first, last = EARLIEST.date(), LATEST.date()
    if not first <= instant.date() <= last:
        raise RequestError(
            f"--at: expected a time from {first} to {last}, which a platform's certificates can "
            f"be made at, got {instant.date()}"
        )
    return instant


def _status(name: str) -> TcbStatus:
    try:
        return TcbStatus(name)
    except ValueError as error:
        raise RequestError(
            f"--status: expected one of {', '.join(TcbStatus)}, got {name!r}"
        ) from error


def _measurement(text: str | None, option: str, sample: bytes) -> bytes:
    return sample if text is None else decode_hex(text, option, size=_MEASUREMENT_SIZE)
