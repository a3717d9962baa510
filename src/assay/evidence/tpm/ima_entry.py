"""What a measurement of the kernel says, by the fields that it covers.

The template's name is in no digest: a key could be called a file, or nothing that anybody knows. So
the fields decide, and the name is the log's word.

Source: Linux, `Documentation/security/IMA-templates.rst`, `security/integrity/integrity.h`; MAA for
the names of what policies ask.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509

from assay.encoding import JsonValue, encode_base64url
from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.content import ImaEntry
from assay.evidence.tpm.ima_log import IMA_FORMAT, ImaRecord
from assay.wire import Reader
from assay.x509.chain import PARSE_ERRORS

_KERNEL_VERSION: Final = "kernel_version"

_SIGNATURES: Final = (b"\x03", b"\x06")
"""With which the signature of a file begins: IMA's own, and that of a file under verity. No
certificate begins so, and no text."""

_MAX_FIELDS: Final = 5

_Members = dict[str, JsonValue]


def read_ima_entry(record: ImaRecord) -> ImaEntry:
    """What a record names: a file and its digest, a key of a keyring, or a buffer.

    Records of other fields, and violations, give the name of their template alone.
    """
    members: _Members = {"Template": record.template}
    # In place of a violation's digest a constant is measured: nothing of the data is covered.
    if not record.is_violation:
        members |= _members(_fields(record.data))
    return ImaEntry(members=members)


def _fields(data: bytes) -> tuple[bytes, ...]:
    """The fields of template data, each with its size before it; none if it is not made of them."""
    reader = Reader(data, "ima_entry", check=IMA_FORMAT)
    fields: list[bytes] = []
    try:
        while reader.remaining and len(fields) <= _MAX_FIELDS:
            fields.append(reader.octets(reader.uint(4, "size"), "field"))
    except MalformedEvidenceError:
        return ()
    return tuple(fields)


def _members(fields: tuple[bytes, ...]) -> _Members:
    try:
        match fields:
            case (digest, name) | (digest, name, b""):
                return _file(digest, name)
            case (digest, name, signature) | (digest, name, signature, _, _) if (
                signature.startswith(_SIGNATURES)
            ):
                return {**_file(digest, name), "Signature": encode_base64url(signature)}
            case (digest, name, _, _, _):
                return _file(digest, name)
            case (digest, name, content):
                return _buffer(digest, name, content)
            case _:
                return {}
    except UnicodeDecodeError:
        return {}


def _file(digest: bytes, name: bytes) -> _Members:
    return {"FileHash": _hash(digest), "FilePath": _text(name)}


def _buffer(digest: bytes, name: bytes, content: bytes) -> _Members:
    """A kernel's version, a certificate under its keyring's name, or other critical data.

    Its digest is the buffer's; where it is not, the fields are of something else.
    """
    members: _Members = {"FileHash": _hash(digest)}
    if members["FileHash"] not in _hashes_of(content):
        return {}
    called = _text(name)
    if called == _KERNEL_VERSION:
        return {**members, "KernelVersion": content.decode("utf-8")}
    try:
        certificate = x509.load_der_x509_certificate(content)
        subject = certificate.subject.rfc4514_string()
    except PARSE_ERRORS:
        return {**members, "Name": called, "Buffer": encode_base64url(content)}
    return {**members, "Keyring": called, "CertificateSubject": subject}


def _hash(field: bytes) -> JsonValue:
    """`d-ng`: the algorithm's name, a colon, a NUL, the digest."""
    algorithm, _, digest = field.partition(b":\0")
    return {"Algorithm": algorithm.decode("utf-8"), "Digest": encode_base64url(digest)}


def _hashes_of(content: bytes) -> list[JsonValue]:
    return [
        {"Algorithm": bank.label, "Digest": encode_base64url(bank.digest(content))}
        for bank in HashAlgorithm
    ]


def _text(name: bytes) -> str:
    return name.removesuffix(b"\0").decode("utf-8")
