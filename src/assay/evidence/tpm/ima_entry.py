"""What a measurement of the kernel says, by its template.

The template's name is in no digest, and `ima-sig` has the layout of `ima-buf`: what says that a
record is of a buffer is that its digest is the buffer's, and that its text is one.

Source: Linux, `Documentation/security/IMA-templates.rst`; MAA for the names of what policies ask.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509

from assay.encoding import JsonValue, encode_base64url
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.content import ImaEntry
from assay.evidence.tpm.ima_log import IMA_FORMAT, ImaRecord
from assay.wire import Reader
from assay.x509.chain import PARSE_ERRORS

_FILES: Final = frozenset({"ima-ng", "ima-sig", "ima-modsig"})
_BUFFER: Final = "ima-buf"
_KERNEL_VERSION: Final = "kernel_version"


def read_ima_entry(record: ImaRecord) -> ImaEntry:
    """The template, and what it names: a file and its digest, a key of a keyring, or a buffer.

    Templates of other layouts, and violations, give their name alone.

    Raises:
        MalformedEvidenceError: The data does not follow the template that it names.
    """
    members: dict[str, JsonValue] = {"Template": record.template}
    if record.is_violation:
        # The digest in the register is a constant: nothing of the data is covered.
        return ImaEntry(members=members)
    if record.template in _FILES:
        members |= _file(_reader(record), record.template)
    elif record.template == _BUFFER:
        members |= _buffer(_reader(record))
    return ImaEntry(members=members)


def _reader(record: ImaRecord) -> Reader:
    return Reader(record.data, "ima_entry", check=IMA_FORMAT)


def _file(reader: Reader, template: str) -> dict[str, JsonValue]:
    members = _digest(reader)
    members["FilePath"] = _name(reader)
    if template == "ima-sig":
        members["Signature"] = encode_base64url(_field(reader, "signature"))
        reader.end()
    elif template == "ima-ng":
        reader.end()
    return members


def _buffer(reader: Reader) -> dict[str, JsonValue]:
    """A kernel's version, a certificate under its keyring's name, or other critical data."""
    members = _digest(reader)
    name = _name(reader)
    content = _field(reader, "buffer")
    reader.end()
    if members["FileHash"] not in _digests_of(content):
        raise reader.malformed("digest", "the digest of the buffer", "another")
    if name == _KERNEL_VERSION:
        version = _text(reader, content, "buffer")
        if not version.isprintable():
            raise reader.malformed("buffer", "the version of a kernel", "other text")
        return {**members, "KernelVersion": version}
    try:
        certificate = x509.load_der_x509_certificate(content)
        subject = certificate.subject.rfc4514_string()
    except PARSE_ERRORS:
        return {**members, "Name": name, "Buffer": encode_base64url(content)}
    return {**members, "Keyring": name, "CertificateSubject": subject}


def _digests_of(content: bytes) -> list[JsonValue]:
    return [
        {"Algorithm": bank.label, "Digest": encode_base64url(bank.digest(content))}
        for bank in HashAlgorithm
    ]


def _digest(reader: Reader) -> dict[str, JsonValue]:
    """Read `d-ng`: the algorithm's name, a colon, a NUL, the digest."""
    field = _field(reader, "digest")
    algorithm, separator, digest = field.partition(b":\0")
    if not separator:
        raise reader.malformed("digest", "an algorithm before it", "none")
    name = _text(reader, algorithm, "digest")
    return {"FileHash": {"Algorithm": name, "Digest": encode_base64url(digest)}}


def _name(reader: Reader) -> str:
    return _text(reader, _field(reader, "name").removesuffix(b"\0"), "name")


def _field(reader: Reader, name: str) -> bytes:
    return reader.octets(reader.uint(4, f"{name}_size"), name)


def _text(reader: Reader, data: bytes, field: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise reader.malformed(field, "UTF-8", "other bytes") from error
