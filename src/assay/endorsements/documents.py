"""Served bodies turned into the parts of `DcapCollateral`, byte for byte.

The same documents come as DER, PEM or hexadecimal text, with or without their envelope, depending
on who serves them. What is signed is cut out as it stands, never written again.

Source: Intel SGX PCS API v4; Intel PCCS design guide; Azure THIM.
"""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from assay.encoding import EncodingError, decode_base64, decode_hex, parse_json_object
from assay.errors import CollateralUnavailableError, Finding

_DER_SEQUENCE: Final = b"\x30"
_PEM_CRL: Final = b"-----BEGIN X509 CRL-----"
_ONE_PEM_CRL: Final = re.compile(
    rb"-----BEGIN X509 CRL-----\s([A-Za-z0-9+/=\s]*)-----END X509 CRL-----"
)
_PEM_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_WHITE_SPACE: Final = " \t\r\n"
_HEX: Final = re.compile(rb"[0-9A-Fa-f\s]+")
_SCANNER: Final = json.JSONDecoder()


def split_signed(body: bytes, member: str, *, origin: str) -> tuple[bytes, bytes]:
    """The exact bytes of the object `member` of a PCS answer, and its raw signature.

    Args:
        body: `{"tcbInfo":{...},"signature":"..."}` or the same with `enclaveIdentity`.
        member: `tcbInfo` or `enclaveIdentity`.
        origin: Where it came from, for the error.

    Raises:
        CollateralUnavailableError: Not strict JSON, other members, or no hexadecimal signature.
    """
    try:
        return _split(body, member)
    except EncodingError as error:
        check = f"dcap.{_OBJECTS[member]}.collateral_format"
        raise _malformed(check, f"a signed {member}", error.message, origin) from error


def _split(body: bytes, member: str) -> tuple[bytes, bytes]:
    outer = parse_json_object(body, "answer")
    if outer.keys() != {member, "signature"}:
        raise EncodingError(f"answer: expected {member} and signature, got {len(outer)} others")
    signature = outer["signature"]
    if not isinstance(outer[member], dict) or not isinstance(signature, str):
        raise EncodingError(f"answer: expected an object as {member} and text as signature")
    document = _member_text(body.decode("utf-8"), member)
    return document.encode("utf-8"), decode_hex(signature, "signature")


_OBJECTS: Final = {"tcbInfo": "tcb_info", "enclaveIdentity": "qe_identity"}


def read_crl(body: bytes, check: str, *, origin: str) -> bytes:
    """A CRL served as DER, PEM or hexadecimal text, as DER.

    Bytes after the DER stay: the verification refuses them. Nothing may stand around a PEM block.

    Args:
        body: As served.
        check: `dcap.pck_crl` or `dcap.root_ca_crl`.
        origin: Where it came from, for the error.

    Raises:
        CollateralUnavailableError: None of the three encodings.
    """
    data = body.rstrip(b"\0")
    if data[:1] == _DER_SEQUENCE and not _HEX.fullmatch(data):
        return body
    try:
        if data.lstrip().startswith(_PEM_CRL):
            return _read_pem_crl(data)
        return decode_hex("".join(data.decode("ascii").split()), "CRL")
    except (EncodingError, UnicodeDecodeError) as error:
        raise _malformed(
            f"{check}.crl_format", "a CRL as DER, PEM or hexadecimal", "something else", origin
        ) from error


def _read_pem_crl(data: bytes) -> bytes:
    # A PEM reader would take the first block and pass over whatever follows.
    found = _ONE_PEM_CRL.fullmatch(data.strip())
    if found is None:
        raise EncodingError("CRL: expected one PEM block and nothing else")
    der = decode_base64("".join(found[1].decode("ascii").split()), "CRL")
    if der[:1] != _DER_SEQUENCE:
        raise EncodingError("CRL: expected a DER sequence in the PEM block")
    return der


def read_issuer_chain(text: bytes, check: str, *, origin: str) -> bytes:
    """A PEM issuer chain, URL-encoded as in PCS headers or plain, as PEM.

    Args:
        text: As served.
        check: `dcap.tcb_info_chain` and the like.
        origin: Where it came from, for the error.

    Raises:
        CollateralUnavailableError: No PEM certificate in it.
    """
    decoded = text if text.lstrip().startswith(_PEM_CERTIFICATE) else unquote_to_bytes(text)
    decoded = decoded.rstrip(b"\0").replace(b"\r\n", b"\n")
    if _PEM_CERTIFICATE not in decoded:
        raise _malformed(f"{check}.cert_format", "a PEM issuer chain", "something else", origin)
    return decoded


def _member_text(text: str, member: str) -> str:
    """The text of a member of the outer object; the text is known to be strict JSON."""
    index = text.index("{") + 1
    while True:
        index = _skip(text, index, _WHITE_SPACE + ",")
        name, index = _SCANNER.raw_decode(text, index)
        start = _skip(text, index, _WHITE_SPACE + ":")
        _, index = _SCANNER.raw_decode(text, start)
        if name == member:
            return text[start:index]


def _skip(text: str, index: int, characters: str) -> int:
    while text[index] in characters:
        index += 1
    return index


def _malformed(check: str, expected: str, actual: str, origin: str) -> CollateralUnavailableError:
    finding = Finding(check=check, expected=f"{expected} from {origin}", actual=actual)
    return CollateralUnavailableError(str(finding), findings=[finding])
