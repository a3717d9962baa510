"""Collateral from files: one set, a folder of sets, an offline bundle.

| form | what it is |
|---|---|
| `*.json` with the members of `DcapCollateral` | one set: JSON as text, binary as hexadecimal |
| a folder with `tcb.json`, `qe_identity.json`, `pck.crl`, … | one set, as PCS serves the documents |
| a bundle | several sets, from `assay collateral export` |
| a folder with any of these in it | several sets |
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from assay.encoding import EncodingError, decode_hex, parse_json_object
from assay.endorsements.bundle import BUNDLE_SUFFIX, open_bundle
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.documents import read_crl, read_issuer_chain, split_signed
from assay.endorsements.label import CollateralLabel, read_label
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    unavailable,
)
from assay.errors import CollateralUnavailableError

_MAX_FILE_SIZE: Final = 64 * 1024 * 1024
"""A bundle of a thousand sets; a single document is under 20 kB."""

_TCB_INFO, _SIGNER_CHAIN = "tcb.json", "tcb_signing_chain.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """One set of collateral with what it says that it is for."""

    gathered: GatheredCollateral
    label: CollateralLabel | None
    """`None` where its documents do not parse; only a single set may be so."""


class StoredSource:
    """A `CollateralSource` over files, read once."""

    __slots__ = ("_path", "sets")

    def __init__(self, path: Path) -> None:
        """Read everything at `path`.

        Raises:
            CollateralUnavailableError: Nothing is there, or something is malformed.
        """
        self._path = path
        self.sets = tuple(load_sets(path))
        if not self.sets:
            raise unavailable(
                f"collateral in {path}", "none", "see docs/collateral.md for the forms it may have"
            )

    async def gather(
        self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        """As `select`."""
        return self.select(platform, evaluation)

    def select(
        self, platform: DcapPlatform, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        """The set for `platform`.

        A single set is given to every platform: whether it fits is for the verification to say,
        with the reason. Of several for one platform, `standard` and `early` both take the highest
        number and then the newest issue, which is the strictest choice: files do not say which
        number is the standard one. Ask for a number to choose another.

        Raises:
            CollateralUnavailableError: None of several is for it, or none has the number.
        """
        only = len(self.sets) == 1
        number = evaluation.number
        fitting = [
            found
            for found in self.sets
            if (only or found.label is None or found.label.fits(platform))
            and (number is None or found.evaluation_number == number)
        ]
        if not fitting:
            raise unavailable(
                f"collateral for FMSPC {platform.fmspc.hex()} ({platform.tee}, "
                f"{platform.ca} CA, TCB evaluation data {evaluation})",
                f"{len(self.sets)} other sets in {self._path}",
                "fetch it with `assay collateral fetch` and add it",
            )
        return max(fitting, key=lambda found: found.label.order).gathered


def load_sets(path: Path) -> Iterator[StoredSet]:
    """Every set at `path`, folders searched to the bottom, in the order of their names.

    Raises:
        CollateralUnavailableError: The path does not exist, or a set is malformed.
    """
    try:
        if path.is_dir():
            yield from _load_folder(path)
        else:
            yield from _load_file(path)
    except OSError as error:
        raise unavailable(
            f"collateral in {path}", error.strerror or "an unreadable file", "check the path"
        ) from error


def _load_folder(path: Path) -> Iterator[StoredSet]:
    if (path / _TCB_INFO).is_file():
        yield _load_documents(path)
        return
    if (path / "collateral.json").is_file():
        yield from _load_file(path / "collateral.json")
        return
    for child in sorted(path.iterdir()):
        if child.is_dir():
            yield from _load_folder(child)
        elif child.suffix in {".json", BUNDLE_SUFFIX}:
            yield from _load_file(child)


def _load_file(path: Path) -> Iterator[StoredSet]:
    if path.stat().st_size > _MAX_FILE_SIZE:
        raise unavailable(
            f"a file of at most {_MAX_FILE_SIZE} bytes", f"{path.stat().st_size} in {path}"
        )
    data = path.read_bytes()
    if path.suffix == BUNDLE_SUFFIX:
        for entry in open_bundle(data).entries:
            yield _labelled(entry.collateral, f"{entry.source} ({path})", entry.fetched_at)
    else:
        yield _labelled(read_stored(data, origin=str(path)), str(path), _modified(path))


def read_stored(data: bytes, *, origin: str) -> DcapCollateral:
    """One set from its single-file form.

    Raises:
        CollateralUnavailableError: Not strict JSON, or a member is missing or malformed.
    """
    try:
        members = parse_json_object(data, "collateral")

        def text(name: str) -> str:
            value = members.get(name)
            if not isinstance(value, str):
                raise EncodingError(f"collateral: expected text as {name}")
            return value

        return DcapCollateral(
            tcb_info=text("tcb_info").encode(),
            tcb_info_signature=decode_hex(text("tcb_info_signature"), "tcb_info_signature"),
            tcb_info_issuer_chain=text("tcb_info_issuer_chain").encode(),
            qe_identity=text("qe_identity").encode(),
            qe_identity_signature=decode_hex(
                text("qe_identity_signature"), "qe_identity_signature"
            ),
            qe_identity_issuer_chain=text("qe_identity_issuer_chain").encode(),
            root_ca_crl=decode_hex(text("root_ca_crl"), "root_ca_crl"),
            pck_crl=decode_hex(text("pck_crl"), "pck_crl"),
            pck_crl_issuer_chain=text("pck_crl_issuer_chain").encode(),
        )
    except EncodingError as error:
        raise unavailable(f"a set of collateral in {origin}", error.message) from error


def write_stored(collateral: DcapCollateral) -> dict[str, str]:
    """The members of the single-file form."""
    return {
        "pck_crl_issuer_chain": collateral.pck_crl_issuer_chain.decode(),
        "root_ca_crl": collateral.root_ca_crl.hex(),
        "pck_crl": collateral.pck_crl.hex(),
        "tcb_info_issuer_chain": collateral.tcb_info_issuer_chain.decode(),
        "tcb_info": collateral.tcb_info.decode(),
        "tcb_info_signature": collateral.tcb_info_signature.hex(),
        "qe_identity_issuer_chain": collateral.qe_identity_issuer_chain.decode(),
        "qe_identity": collateral.qe_identity.decode(),
        "qe_identity_signature": collateral.qe_identity_signature.hex(),
    }
