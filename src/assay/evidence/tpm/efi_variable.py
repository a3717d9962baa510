"""UEFI variables as firmware measures them, and the signature lists in some of them.

Source: TCG PC Client Platform Firmware Profile 1.06, section 10.2.6 (UEFI_VARIABLE_DATA); UEFI
2.10, section 32.4.1 (EFI_SIGNATURE_LIST).
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.allowance import Allowance
from assay.wire import Layout, Reader, octets, uint

EVENT_FORMAT: Final = "tpm.event_log.event_format"

GLOBAL_GUID: Final = "8BE4DF61-93CA-11D2-AA0D-00E098032B8C"
SECURITY_GUID: Final = "D719B2CB-3D3A-4596-A3BC-DAD00E67656F"

KEY_DATABASES: Final = frozenset({"PK", "KEK", "db", "dbx", "dbt", "dbr"})
"""Variables that hold signature lists."""

_SIGNATURE_TYPES: Final = {
    UUID("c1c41626-504c-4092-aca9-41f936934328"): "EFI_CERT_SHA256_GUID",
    UUID("0b6e5233-a65c-44c9-9407-d9ab83bfc8bd"): "EFI_CERT_SHA224_GUID",
    UUID("ff3e5307-9fd0-48c9-85f1-8ad56c701e01"): "EFI_CERT_SHA384_GUID",
    UUID("093e0fae-a6c4-4f50-9f1b-d41e2b89c19a"): "EFI_CERT_SHA512_GUID",
    UUID("826ca512-cf10-4ac9-b187-be01496631bd"): "EFI_CERT_SHA1_GUID",
    UUID("3c5766e8-269c-4e34-aa14-ed776e85b3b6"): "EFI_CERT_RSA2048_GUID",
    UUID("e2b36190-879b-4a3d-ad8d-f2e7bba32784"): "EFI_CERT_RSA2048_SHA256_GUID",
    UUID("67f8444f-8743-48f1-a328-1eaab8736080"): "EFI_CERT_RSA2048_SHA1_GUID",
    UUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"): "EFI_CERT_X509_GUID",
    UUID("3bd2a492-96c0-4079-b420-fcf98ef103ed"): "EFI_CERT_X509_SHA256_GUID",
    UUID("7076876e-80c2-4ee6-aad2-28b349a6865b"): "EFI_CERT_X509_SHA384_GUID",
    UUID("446dbf63-2502-4cda-bcfa-2465d2b0fe9d"): "EFI_CERT_X509_SHA512_GUID",
    UUID("4aafd29d-68df-49ee-8aa9-347d375665a7"): "EFI_CERT_TYPE_PKCS7_GUID",
}

_HEAD: Final = Layout("variable", octets("guid", 16), uint("name_length", 8), uint("data_size", 8))
_LIST_HEAD: Final = Layout(
    "signature_list",
    octets("type", 16),
    uint("list_size", 4),
    uint("header_size", 4),
    uint("signature_size", 4),
)
_GUID_SIZE: Final = 16
_MAX_NAME_CHARACTERS: Final = 1024
_MAX_TAIL: Final = 8
_DER_SEQUENCE: Final = b"\x30\x82"
_DER_HEAD_SIZE: Final = 4


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable with the name it has in the firmware."""

    guid: str
    """Of the vendor, in capitals, as MAA writes it."""

    name: str
    data: bytes

    @property
    def is_key_database(self) -> bool:
        """Whether the data is signature lists."""
        return self.name in KEY_DATABASES and self.guid in {GLOBAL_GUID, SECURITY_GUID}


class Signature(msgspec.Struct, frozen=True):
    """A hash or certificate, and who put it there."""

    owner: str
    data: bytes


class SignatureList(msgspec.Struct, frozen=True):
    """Signatures of one type."""

    type: str
    type_name: str
    """The type in the words of the UEFI specification; empty for one it does not name."""

    signatures: tuple[Signature, ...]


def parse_variable(data: bytes, *, with_tail: bool = False) -> Variable:
    """Parse UEFI_VARIABLE_DATA: GUID, length of the name in characters, size of the data.

    Args:
        data: The structure.
        with_tail: Whether up to eight zero bytes may follow, as after variables that some boot
            loaders (shim 15) measure.

    Raises:
        MalformedEvidenceError: Lengths that do not add up, or a name that is not UTF-16.
    """
    reader = Reader(data, "variable", check=EVENT_FORMAT)
    guid, characters, size = reader.layout(_HEAD)
    if characters > _MAX_NAME_CHARACTERS:
        raise reader.malformed("name_length", f"at most {_MAX_NAME_CHARACTERS}", f"{characters}")
    name = read_utf16(reader, 2 * characters, "name")
    content = reader.octets(size, "data")
    if with_tail and reader.remaining <= _MAX_TAIL:
        reader.end_padded()
    else:
        reader.end()
    return Variable(guid=guid_text(guid), name=name, data=content)


def parse_signature_lists(data: bytes, allowance: Allowance) -> tuple[SignatureList, ...]:
    """Parse EFI_SIGNATURE_LISTs one after the other; no bytes are no lists.

    Raises:
        MalformedEvidenceError: Sizes that do not add up, or too many signatures.
    """
    reader = Reader(data, "signature_lists", check=EVENT_FORMAT)
    lists = []
    while reader.remaining:
        lists.append(_read_list(reader, allowance))
    return tuple(lists)


def parse_authority(data: bytes) -> Signature | None:
    """The entry of a database that vouched for an image, or nothing for a bare certificate.

    Boot loaders measure what vouched for the next stage without an owner.

    Raises:
        MalformedEvidenceError: Too short for either.
    """
    reader = Reader(data, "authority", check=EVENT_FORMAT)
    if data.startswith(_DER_SEQUENCE):
        reader.octets(2, "certificate")
        length = int.from_bytes(reader.octets(2, "certificate"), "big")
        if length + _DER_HEAD_SIZE == len(data):
            return None
    return _read_signature(Reader(data, "authority", check=EVENT_FORMAT), len(data))


def guid_text(data: bytes) -> str:
    """A GUID of 16 bytes as MAA writes it: in capitals."""
    return str(UUID(bytes_le=data)).upper()


def read_utf16(reader: Reader, size: int, field: str) -> str:
    """Read `size` bytes of UTF-16, little-endian.

    Raises:
        MalformedEvidenceError: Fewer are left, or they are not UTF-16.
    """
    try:
        return reader.octets(size, field).decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise reader.malformed(field, "UTF-16", "other bytes") from error


def _read_list(reader: Reader, allowance: Allowance) -> SignatureList:
    kind, list_size, header_size, signature_size = reader.layout(_LIST_HEAD)
    signatures = []
    with reader.block(list_size - _LIST_HEAD.size, "signature_list"):
        # The header is the type's own; read as a signature, it would be trusted as one.
        reader.octets(header_size, "signature_header")
        if signature_size <= _GUID_SIZE:
            raise reader.malformed("signature_size", f"more than {_GUID_SIZE}", f"{signature_size}")
        while reader.remaining:
            allowance.take()
            signatures.append(_read_signature(reader, signature_size))
    return SignatureList(
        guid_text(kind), _SIGNATURE_TYPES.get(UUID(bytes_le=kind), ""), tuple(signatures)
    )


def _read_signature(reader: Reader, size: int) -> Signature:
    owner = reader.octets(_GUID_SIZE, "owner")
    return Signature(guid_text(owner), reader.octets(size - _GUID_SIZE, "signature"))


def is_variable(data: bytes) -> bool:
    """Whether bytes are a whole UEFI_VARIABLE_DATA."""
    try:
        parse_variable(data)
    except MalformedEvidenceError:
        return False
    return True
