"""Collateral from files: one set, a folder of sets, an offline bundle.

| form | what it is |
|---|---|
| JSON with the members of `DcapCollateral` | one set: JSON as text, binary as hexadecimal |
| a folder with `tcb.json`, `qe_identity.json`, `pck.crl`, … | one set, as PCS serves it |
| Open Enclave endorsements | one set |
| a bundle | several sets, from `assay collateral export` |
| a folder with any of these in it | several sets |

A file that is named is known by how it begins, whatever its name; in a folder, the ending of the
name says which files to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from assay.encoding import EncodingError, JsonValue, decode_hex, json_type, parse_json_object
from assay.endorsements.bundle import (
    BUNDLE_START,
    BUNDLE_SUFFIX,
    MAX_BUNDLE_ENTRIES,
    MAX_BUNDLE_SIZE,
    open_bundle,
)
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.documents import read_crl, read_issuer_chain, split_signed
from assay.endorsements.label import CollateralLabel, read_label
from assay.endorsements.openenclave import are_endorsements, parse_any_endorsements
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    unavailable,
)
from assay.errors import CollateralUnavailableError

ENDORSEMENTS_SUFFIX: Final = ".endorsements"
"""Of Open Enclave endorsements among other files in a folder."""

_MAX_FILE_SIZE: Final = MAX_BUNDLE_SIZE
_MAX_SETS: Final = MAX_BUNDLE_ENTRIES
_MAX_DEPTH: Final = 16
"""Deeper than anybody sorts collateral; a link to a folder above it would never end."""

_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()

_SUFFIXES: Final = frozenset({".json", BUNDLE_SUFFIX, ENDORSEMENTS_SUFFIX})
_SINGLE: Final = "collateral.json"
_TCB_INFO: Final = "tcb.json"
_QE_IDENTITY: Final = "qe_identity.json"
_TCB_CHAIN: Final = "tcb_signing_chain.pem"
_QE_IDENTITY_CHAIN: Final = "qe_identity_signing_chain.pem"
"""Where it differs from the TCB info's: Intel renews the certificate, then signs anew, one by one.
"""
_ROOT_CRL: Final = "rootca.crl"
_PCK_CRL: Final = "pck.crl"
_PCK_CRL_CHAIN: Final = "pck_crl_issuer_chain.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSet:
    """One set of collateral with what it says that it is for."""

    gathered: GatheredCollateral
    label: CollateralLabel | None
    """`None` where its documents do not parse; only a single set may be so."""

    def has_number(self, number: int | None) -> bool:
        """Whether it is of this evaluation number; `None` asks for no certain one."""
        return number is None or self.label is None or self.label.evaluation_number == number


class StoredSource:
    """A `CollateralSource` over files, read once."""

    __slots__ = ("_path", "sets")

    def __init__(self, path: Path, *, trusted_key: Ed25519PublicKey | None = None) -> None:
        """Read everything at `path`.

        Args:
            path: A file or a folder.
            trusted_key: Who must have signed it. Nothing but bundles can be signed, so with a key
                everything else is refused.

        Raises:
            CollateralUnavailableError: Nothing is there, or something is malformed.
        """
        self._path = path
        self.sets = load_sets(path, trusted_key=trusted_key)

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    async def close(self) -> None:
        """Nothing: the files were closed when they had been read."""

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
        if len(self.sets) == 1 and self.sets[0].has_number(evaluation.number):
            return self.sets[0].gathered
        fitting = [
            (found.label.order, found.gathered.collateral.digest, found.gathered)
            for found in self.sets
            if found.label is not None
            and found.label.fits(platform)
            and found.has_number(evaluation.number)
        ]
        if not fitting:
            raise unavailable(
                f"collateral for FMSPC {platform.fmspc.hex()} ({platform.tee}, "
                f"{platform.ca} CA, TCB evaluation data {evaluation})",
                f"{len(self.sets)} other set(s) in {self._path}",
                "fetch it with `assay collateral fetch` and add it",
            )
        # The digest settles what number and issue leave open, whatever the order of the files.
        return max(fitting, key=lambda found: found[:2])[2]


def load_sets(path: Path, *, trusted_key: Ed25519PublicKey | None = None) -> tuple[StoredSet, ...]:
    """Every set at `path`, folders searched to the bottom, in the order of their names.

    Files and folders whose name begins with a dot are left out.

    Raises:
        CollateralUnavailableError: Nothing is there, a set is malformed, or one of several does
            not say what it is for.
    """
    try:
        loaded = tuple(islice(_load(path, trusted_key, depth=0), _MAX_SETS + 1))
    except OSError as error:
        raise unavailable(
            f"collateral in {path}", error.strerror or "an unreadable file", "check the path"
        ) from error
    if not 0 < len(loaded) <= _MAX_SETS:
        raise unavailable(
            f"1 to {_MAX_SETS} sets of collateral in {path}",
            "more" if loaded else "none",
            "see docs/collateral.md for the forms it may have",
        )
    if len(loaded) == 1:
        return (StoredSet(gathered=loaded[0], label=_label_if_any(loaded[0])),)
    return tuple(StoredSet(gathered=found, label=_label(found)) for found in loaded)


def _label(found: GatheredCollateral) -> CollateralLabel:
    return read_label(found.collateral, origin=found.source)


def _label_if_any(found: GatheredCollateral) -> CollateralLabel | None:
    try:
        return _label(found)
    except CollateralUnavailableError:
        return None


def _load(
    path: Path, trusted_key: Ed25519PublicKey | None, *, depth: int
) -> Iterator[GatheredCollateral]:
    if not path.is_dir():
        yield from _load_file(path, trusted_key)
    elif (path / _TCB_INFO).is_file():
        if trusted_key is not None:
            raise _unsigned(path)
        yield _load_documents(path)
    elif (path / _SINGLE).is_file():
        yield from _load_file(path / _SINGLE, trusted_key)
    elif depth == _MAX_DEPTH:
        raise unavailable(f"folders at most {_MAX_DEPTH} deep", f"more in {path}")
    else:
        for child in sorted(path.iterdir()):
            if _may_hold_collateral(child):
                yield from _load(child, trusted_key, depth=depth + 1)


def _may_hold_collateral(path: Path) -> bool:
    return not path.name.startswith(".") and (path.suffix in _SUFFIXES or path.is_dir())


def _load_file(path: Path, trusted_key: Ed25519PublicKey | None) -> Iterator[GatheredCollateral]:
    data = _read(path)
    if data.startswith(BUNDLE_START):
        for entry in open_bundle(data, trusted_key=trusted_key).entries:
            yield GatheredCollateral(
                collateral=entry.collateral,
                source=f"{entry.source}, in {path}",
                fetched_at=entry.fetched_at,
            )
        return
    if trusted_key is not None:
        raise _unsigned(path)
    collateral = (
        parse_any_endorsements(data)
        if are_endorsements(data)
        else read_stored(data, origin=str(path))
    )
    yield GatheredCollateral(collateral=collateral, source=str(path), fetched_at=_modified(path))


def _load_documents(folder: Path) -> GatheredCollateral:
    """One set from the bodies that PCS serves, and the issuer chains of its headers."""
    origin = str(folder)
    tcb_info, tcb_info_signature = split_signed(
        _read(folder / _TCB_INFO), "tcbInfo", origin=f"{origin}/{_TCB_INFO}"
    )
    qe_identity, qe_identity_signature = split_signed(
        _read(folder / _QE_IDENTITY), "enclaveIdentity", origin=f"{origin}/{_QE_IDENTITY}"
    )
    identity_chain = _QE_IDENTITY_CHAIN if (folder / _QE_IDENTITY_CHAIN).exists() else _TCB_CHAIN

    def chain(name: str, check: str) -> bytes:
        return read_issuer_chain(_read(folder / name), check, origin=f"{origin}/{name}")

    def crl(name: str, check: str) -> bytes:
        return read_crl(_read(folder / name), check, origin=f"{origin}/{name}")

    return GatheredCollateral(
        collateral=DcapCollateral(
            tcb_info=tcb_info,
            tcb_info_signature=tcb_info_signature,
            tcb_info_issuer_chain=chain(_TCB_CHAIN, "dcap.tcb_info_chain"),
            qe_identity=qe_identity,
            qe_identity_signature=qe_identity_signature,
            qe_identity_issuer_chain=chain(identity_chain, "dcap.qe_identity_chain"),
            root_ca_crl=crl(_ROOT_CRL, "dcap.root_ca_crl"),
            pck_crl=crl(_PCK_CRL, "dcap.pck_crl"),
            pck_crl_issuer_chain=chain(_PCK_CRL_CHAIN, "dcap.pck_crl_chain"),
        ),
        source=origin,
        fetched_at=_modified(folder / _TCB_INFO),
    )


def _read(path: Path) -> bytes:
    # Reading a pipe or a device might never end.
    if not S_ISREG(path.stat().st_mode):
        raise unavailable(f"a file as {path}", "something else")
    with path.open("rb") as stream:
        data = stream.read(_MAX_FILE_SIZE + 1)
    if len(data) > _MAX_FILE_SIZE:
        raise unavailable(f"a file of at most {_MAX_FILE_SIZE} bytes", f"more in {path}")
    return data


def _modified(path: Path) -> datetime:
    # File systems know times that the calendar does not.
    return datetime.fromtimestamp(min(max(path.stat().st_mtime, 0), _LATEST), UTC)


def _unsigned(path: Path) -> CollateralUnavailableError:
    return unavailable(
        "a signed bundle, since a key to trust is set",
        f"collateral that nobody signed in {path}",
        "make a bundle of it with `assay collateral export`",
    )


def read_stored(data: bytes, *, origin: str) -> DcapCollateral:
    """One set from its single-file form.

    Raises:
        CollateralUnavailableError: Not strict JSON, or a member is missing or malformed.
    """
    try:
        members = parse_json_object(data, "collateral")
        return DcapCollateral(
            tcb_info=_text(members, "tcb_info").encode(),
            tcb_info_signature=_binary(members, "tcb_info_signature"),
            tcb_info_issuer_chain=_text(members, "tcb_info_issuer_chain").encode(),
            qe_identity=_text(members, "qe_identity").encode(),
            qe_identity_signature=_binary(members, "qe_identity_signature"),
            qe_identity_issuer_chain=_text(members, "qe_identity_issuer_chain").encode(),
            root_ca_crl=_binary(members, "root_ca_crl"),
            pck_crl=_binary(members, "pck_crl"),
            pck_crl_issuer_chain=_text(members, "pck_crl_issuer_chain").encode(),
        )
    except EncodingError as error:
        raise unavailable(f"a set of collateral in {origin}", error.message) from error


def _text(members: Mapping[str, JsonValue], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise EncodingError(f"collateral: expected text as {name}, got {json_type(value)}")
    return value


def _binary(members: Mapping[str, JsonValue], name: str) -> bytes:
    return decode_hex(_text(members, name), name)


def write_stored(collateral: DcapCollateral) -> dict[str, str]:
    """The members of the single-file form.

    Raises:
        CollateralUnavailableError: A document that should be text is not UTF-8.
    """
    try:
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
    except UnicodeDecodeError as error:
        raise unavailable("documents and chains in UTF-8", "other bytes") from error
