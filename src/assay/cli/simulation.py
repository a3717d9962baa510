"""One use of the simulator: a platform, new or kept, and the files that are made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from assay.cli.collateral_path import encode_collateral
from assay.cli.input_file import reading, write_output, writing
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
    """A simulated platform at an instant, and where its files went."""

    platform: SimulatedPlatform
    at: datetime
    written: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, directory: Path | None, *, status: str | None, at: str | None) -> Simulation:
        """The platform in `directory`, which is made where it is missing.

        A status that is given is kept there.

        Raises:
            RequestError: The status is unknown, nothing can be simulated at the instant, or the
                directory cannot be written.
            SettingsError: The directory holds something else.
        """
        instant = _instant(at)
        wanted = None if status is None else _status(status)
        with reading(directory or Path()):
            is_new = directory is None or not directory.exists()
        if directory is None or is_new:
            platform = SimulatedPlatform.create(instant, status=wanted or TcbStatus.UP_TO_DATE)
        else:
            platform = load_platform(directory)
            if wanted is not None:
                platform = platform.with_status(wanted)
        simulation = cls(platform=platform, at=instant)
        if directory is not None and (wanted is not None or is_new):
            _save(platform, directory)
        if directory is not None:
            simulation.written["platform"] = str(directory)
        return simulation

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

    def write(self, what: str, path: Path, content: bytes) -> None:
        """Write a file and note where.

        Raises:
            RequestError: It cannot be written.
        """
        write_output(path, content)
        self.written[what] = str(path)


def _save(platform: SimulatedPlatform, directory: Path) -> None:
    with writing(directory):
        save_platform(platform, directory)


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
