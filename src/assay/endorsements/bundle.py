"""Offline bundles: sets of collateral in one file, for verifiers without a network.

A bundle is lines of JSON, each ended by a line feed:

| lines | what they are |
|---|---|
| the first | `{"assay_bundle":1,"entries":N}` |
| N | one set each: platform, evaluation number, times, source, the SHA-256 of each document |
| one | `{"signature":…}`: `null`, or Ed25519 over all the lines above it, in hexadecimal |
| the rest | the documents by their SHA-256, each once, as text or in hexadecimal |

The lines above the signature are the manifest. Documents have no names but their digests, so
nothing in a bundle says where a file should go. The same sets always give the same bytes, and
nothing but those bytes is read: what a bundle holds, its manifest tells.

Intel's own signatures protect the documents; the bundle's says who chose them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from assay.encoding import EncodingError, decode_hex, encode_json, parse_json_object
from assay.endorsements.bundle_key import key_fingerprint
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.label import read_label
from assay.errors import CollateralUnavailableError, Finding

BUNDLE_SUFFIX: Final = ".assay-bundle"
BUNDLE_START: Final = b'{"assay_bundle":'
"""What every bundle begins with, and no other form of collateral."""

BUNDLE_FORMAT: Final = "collateral.bundle.bundle_format"
BUNDLE_SIGNATURE: Final = "collateral.bundle.bundle_signature"

MAX_BUNDLE_SIZE: Final = 64 * 1024 * 1024
"""In bytes. All platforms that Intel serves today, at every evaluation number, take under 20 MB."""

MAX_BUNDLE_ENTRIES: Final = 4096

_VERSION: Final = 1
_SIGNATURE_SIZE: Final = 64
_MAX_SOURCE_CHARACTERS: Final = 512
_NAMES: Final = tuple(document.name for document in fields(DcapCollateral) if document.init)

_MAX_LINES: Final = 2 + (1 + len(_NAMES)) * MAX_BUNDLE_ENTRIES


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleEntry:
    """One set of collateral and where it came from."""

    collateral: DcapCollateral
    source: str
    """For people; printable, at most 512 characters."""

    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a bundle holds. The collateral is as unverified as everywhere before verification."""

    entries: tuple[BundleEntry, ...]
    signed_by: str | None
    """SHA-256 of the trusted key (SubjectPublicKeyInfo, lower-case hex) that verified the
    manifest; `None` where no key was given, whether or not there is a signature."""


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    assay_bundle: int
    entries: int


class _Row(msgspec.Struct, frozen=True):
    source: str
    fetched_at: str
    documents: dict[str, str]


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signature: str | None


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    text: str | None = None
    hex: str | None = None


_LineT = TypeVar("_LineT", _Header, _Row, _Signature, _Document)


def export_bundle(
    entries: Iterable[BundleEntry], *, signing_key: Ed25519PrivateKey | None = None
) -> bytes:
    """The bundle of `entries`: the same bytes whatever their order and however often given.

    Raises:
        CollateralUnavailableError: There is no entry or one too many, a set's documents do not
            parse, or a source cannot be printed.
    """
    given = tuple(entries)
    if not 0 < len(given) <= MAX_BUNDLE_ENTRIES:
        raise _malformed(f"1 to {MAX_BUNDLE_ENTRIES} sets of collateral", f"{len(given)}")
    manifest = _manifest(_rows(given))
    signature = None if signing_key is None else signing_key.sign(manifest)
    data = _assemble(manifest, signature, given)
    if len(data) > MAX_BUNDLE_SIZE:
        raise _malformed(f"at most {MAX_BUNDLE_SIZE} bytes", f"{len(data)}")
    return data


def open_bundle(data: bytes, *, trusted_key: Ed25519PublicKey | None = None) -> Bundle:
    """Read a bundle; every document is checked against the manifest.

    Args:
        data: The file.
        trusted_key: Whose signature the manifest must carry. Without it a signature is not
            looked at.

    Raises:
        CollateralUnavailableError: Not a bundle, changed after it was made (`bundle_format`), or
            without the signature of `trusted_key` (`bundle_signature`).
    """
    if len(data) > MAX_BUNDLE_SIZE or data.count(b"\n") > _MAX_LINES:
        raise _malformed(f"at most {MAX_BUNDLE_SIZE} bytes in {_MAX_LINES} lines", "more")
    try:
        return _open(data, trusted_key)
    except EncodingError as error:
        raise _malformed("the lines of a bundle", error.message) from error


def _open(data: bytes, trusted_key: Ed25519PublicKey | None) -> Bundle:
    lines = data.split(b"\n")
    header = _line(lines[0], _Header)
    if header.assay_bundle != _VERSION:
        raise _malformed(f"version {_VERSION}", f"version {header.assay_bundle}")
    if not 0 < header.entries <= min(MAX_BUNDLE_ENTRIES, len(lines) - 2):
        raise _malformed("as many sets as the first line says", f"{header.entries}")
    rows = lines[1 : 1 + header.entries]
    manifest = _manifest(rows)
    signature = _read_signature(lines[1 + header.entries])
    if trusted_key is not None:
        _verify(manifest, signature, trusted_key)
    documents = _read_documents(lines[2 + header.entries : -1])
    entries = tuple(_read_entry(_line(row, _Row), documents) for row in rows)
    # One form only: no order, no spelling and no document beyond those that the export gives, and
    # no row that tells another platform, number or time than its documents do.
    if data != _assemble(_manifest(_rows(entries)), signature, entries):
        raise _malformed("a bundle as Assay writes it", "one that was changed, or a newer form")
    return Bundle(
        entries=entries, signed_by=None if trusted_key is None else key_fingerprint(trusted_key)
    )


def _verify(manifest: bytes, signature: bytes | None, trusted_key: Ed25519PublicKey) -> None:
    try:
        trusted_key.verify(signature or b"", manifest)
    except InvalidSignature as error:
        finding = Finding(
            check=BUNDLE_SIGNATURE,
            expected=f"the signature of key {key_fingerprint(trusted_key)}",
            actual="no signature" if signature is None else "one that does not verify",
            hint="get the bundle from its maker again, and compare the keys",
        )
        raise CollateralUnavailableError(str(finding), findings=[finding]) from error


def _rows(entries: Iterable[BundleEntry]) -> list[bytes]:
    return sorted({encode_json(_row(entry)) for entry in entries})


def _row(entry: BundleEntry) -> dict[str, Any]:
    source = entry.source
    if not source.isprintable() or len(source) > _MAX_SOURCE_CHARACTERS:
        raise _malformed(
            f"a source of at most {_MAX_SOURCE_CHARACTERS} printable characters",
            ascii(source[:_MAX_SOURCE_CHARACTERS]),
        )
    label = read_label(entry.collateral, origin=source)
    platform = label.platform
    return {
        "tee": platform.tee,
        "fmspc": platform.fmspc.hex(),
        "pceid": platform.pceid.hex(),
        "ca": platform.ca,
        "evaluation_number": label.evaluation_number,
        "issued": _write_time(label.issued),
        "expires": _write_time(label.expires),
        "source": source,
        "fetched_at": _write_time(entry.fetched_at),
        "documents": {name: _sha256(getattr(entry.collateral, name)) for name in _NAMES},
    }


def _manifest(rows: Sequence[bytes]) -> bytes:
    header = encode_json({"assay_bundle": _VERSION, "entries": len(rows)})
    return b"".join(line + b"\n" for line in (header, *rows))


def _assemble(manifest: bytes, signature: bytes | None, entries: Iterable[BundleEntry]) -> bytes:
    documents = {
        _sha256(document): document
        for entry in entries
        for document in (getattr(entry.collateral, name) for name in _NAMES)
    }
    lines = [
        encode_json({"signature": None if signature is None else signature.hex()}),
        *(encode_json(_document(digest, documents[digest])) for digest in sorted(documents)),
    ]
    return manifest + b"".join(line + b"\n" for line in lines)


def _document(digest: str, document: bytes) -> dict[str, Any]:
    try:
        return {"sha256": digest, "text": document.decode("utf-8")}
    except UnicodeDecodeError:
        return {"sha256": digest, "hex": document.hex()}


def _read_documents(lines: Sequence[bytes]) -> dict[str, bytes]:
    documents = {}
    for line in lines:
        wire = _line(line, _Document)
        document = (
            decode_hex(wire.hex, "document") if wire.hex is not None else (wire.text or "").encode()
        )
        if _sha256(document) != wire.sha256:
            raise _malformed("documents with the SHA-256 beside them", _sha256(document))
        documents[wire.sha256] = document
    return documents


def _read_entry(row: _Row, documents: Mapping[str, bytes]) -> BundleEntry:
    if row.documents.keys() != set(_NAMES):
        raise _malformed(f"the documents {', '.join(_NAMES)}", f"{len(row.documents)} others")
    missing = [name for name in _NAMES if row.documents[name] not in documents]
    if missing:
        raise _malformed(f"the {missing[0]} that the manifest lists", "none with its SHA-256")
    return BundleEntry(
        collateral=DcapCollateral(**{name: documents[row.documents[name]] for name in _NAMES}),
        source=row.source,
        fetched_at=_read_time(row.fetched_at),
    )


def _read_signature(line: bytes) -> bytes | None:
    text = _line(line, _Signature).signature
    return None if text is None else decode_hex(text, "signature", size=_SIGNATURE_SIZE)


def _line(line: bytes, kind: type[_LineT]) -> _LineT:
    try:
        return msgspec.convert(parse_json_object(line, "bundle"), kind)
    except msgspec.ValidationError as error:
        raise EncodingError(f"bundle: {error}") from error


def _write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise EncodingError("bundle: expected a time as 2024-05-15T00:00:00Z") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _malformed(expected: str, actual: str) -> CollateralUnavailableError:
    finding = Finding(check=BUNDLE_FORMAT, expected=expected, actual=actual)
    return CollateralUnavailableError(str(finding), findings=[finding])
