from __future__ import annotations

import base64
import json
from typing import Final
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from assay.endorsements.documents import read_crl, read_issuer_chain, split_signed
from assay.errors import CollateralUnavailableError
from assay.simulator import SimulatedPlatform
from assay.simulator.tcb import signed_body
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import unavailability_of

COLLATERAL: Final = SimulatedPlatform.create(AT).collateral(AT)
SIGNED: Final = signed_body("tcbInfo", COLLATERAL.tcb_info, COLLATERAL.tcb_info_signature)
CHAIN: Final = COLLATERAL.tcb_info_issuer_chain
CRL: Final = COLLATERAL.pck_crl


def split(body: bytes, member: str = "tcbInfo") -> tuple[bytes, bytes]:
    return split_signed(body, member, origin="a test")


def crl(body: bytes) -> bytes:
    return read_crl(body, "dcap.pck_crl", origin="a test")


def chain(text: bytes) -> bytes:
    return read_issuer_chain(text, "dcap.tcb_info_chain", origin="a test")


# Signed documents


def test_a_signed_document_is_cut_out_as_it_was_served() -> None:
    assert split(SIGNED) == (COLLATERAL.tcb_info, COLLATERAL.tcb_info_signature)


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"tcbInfo":{},"signature":"00"}', b"{}"),
        (b'{"signature":"00","tcbInfo":{"b":1, "a": [ ]}}', b'{"b":1, "a": [ ]}'),
        (b' { "signature" : "00" ,\n\t"tcbInfo" :\r\n{ "a" : 1 } } ', b'{ "a" : 1 }'),
        (b'{"tcb\\u0049nfo":{"x":"}"},"signature":"00"}', b'{"x":"}"}'),
        ('{"tcbInfo":{"é":"{\\"tcbInfo\\":1}"},"signature":"00"}'.encode(), None),
        (b'{"tcbInfo":{"e":1E2,"big":18446744073709551615},"signature":"00"}', None),
    ],
)
def test_no_spelling_of_json_changes_what_is_cut_out(body: bytes, document: bytes | None) -> None:
    found, signature = split(body)

    assert found == (document or body[len(b'{"tcbInfo":') : -len(b',"signature":"00"}')])
    assert signature == b"\0"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not JSON",
        b"{}",
        b'{"tcbInfo":{}}',
        b'{"signature":"00"}',
        b'{"tcbInfo":{},"signature":"00","more":1}',
        b'{"tcbInfo":{},"tcbInfo":{},"signature":"00"}',
        b'{"enclaveIdentity":{},"signature":"00"}',
        b'{"tcbInfo":[],"signature":"00"}',
        b'{"tcbInfo":"{}","signature":"00"}',
        b'{"tcbInfo":{},"signature":0}',
        b'{"tcbInfo":{},"signature":"xy"}',
        b'{"tcbInfo":{},"signature":"0"}',
        b'{"tcbInfo":{},"signature":"00"}x',
        b'\xef\xbb\xbf{"tcbInfo":{},"signature":"00"}',
        b'{"tcbInfo":{"a":NaN},"signature":"00"}',
    ],
)
def test_what_is_no_signed_document_is_refused_under_its_own_code(body: bytes) -> None:
    assert unavailability_of(lambda: split(body)) == ("dcap.tcb_info.collateral_format",)


def test_the_code_of_an_identity_is_its_own() -> None:
    codes = unavailability_of(lambda: split(SIGNED, "enclaveIdentity"))

    assert codes == ("dcap.qe_identity.collateral_format",)


@pytest.mark.property
@given(st.binary(max_size=64) | spliced(SIGNED))
def test_any_bytes_are_a_signed_document_or_refused(body: bytes) -> None:
    try:
        document, _ = split(body)
    except CollateralUnavailableError:
        return

    assert document in body
    assert json.loads(document) == json.loads(body)["tcbInfo"]


# CRLs


def test_a_crl_is_the_same_from_every_encoding() -> None:
    pem = x509.load_der_x509_crl(CRL).public_bytes(Encoding.PEM)
    digits = CRL.hex().encode()

    served = [CRL, pem, b"\n" + pem, pem + b"\0", digits, digits.upper(), digits + b"\n\0"]

    assert {crl(body) for body in served} == {CRL}


def test_hexadecimal_may_be_wrapped() -> None:
    digits = CRL.hex()
    wrapped = "\r\n".join(digits[start : start + 64] for start in range(0, len(digits), 64))

    assert crl(wrapped.encode()) == CRL


def test_what_follows_der_is_left_to_the_verification() -> None:
    assert crl(CRL + b"\0more") == CRL + b"\0more"


def test_what_follows_the_der_in_a_text_is_left_to_the_verification() -> None:
    pem = b"-----BEGIN X509 CRL-----\n%b-----END X509 CRL-----\n"

    assert crl(CRL.hex().encode() + b"00") == CRL + b"\0"
    assert crl(pem % base64.encodebytes(CRL + b"more")) == CRL + b"more"


@pytest.mark.parametrize("around", ["{pem}garbage", "{pem}{pem}", "text\n{pem}"])
def test_nothing_stands_around_the_pem_of_a_crl(around: str) -> None:
    pem = x509.load_der_x509_crl(CRL).public_bytes(Encoding.PEM).decode()

    body = around.format(pem=pem).encode()

    assert unavailability_of(lambda: crl(body)) == ("dcap.pck_crl.crl_format",)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"\xff\xfe",
        b"30820",
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        b"-----BEGIN X509 CRL-----",
        CHAIN,
    ],
)
def test_what_is_no_crl_is_refused(body: bytes) -> None:
    assert unavailability_of(lambda: crl(body)) == ("dcap.pck_crl.crl_format",)


@pytest.mark.property
@given(st.binary(max_size=64) | spliced(CRL) | spliced(CRL.hex().encode()))
def test_any_bytes_are_a_crl_or_refused(body: bytes) -> None:
    try:
        data = crl(body)
    except CollateralUnavailableError:
        return

    assert data == body or data.hex() == "".join(body.decode().rstrip("\0").lower().split())


# Issuer chains


@pytest.mark.parametrize(
    "text",
    [
        CHAIN,
        CHAIN + b"\0",
        b"\n" + CHAIN,
        quote(CHAIN).encode(),
        quote(CHAIN, safe="").encode(),
        CHAIN.replace(b"\n", b"\r\n"),
        quote(CHAIN.replace(b"\n", b"\r\n")).encode(),
    ],
)
def test_a_chain_is_the_same_from_a_header_and_from_a_file(text: bytes) -> None:
    assert chain(text).lstrip() == CHAIN


@pytest.mark.parametrize("text", [b"", b"%", b"%00", CRL, b"-----BEGIN X509 CRL-----", b"\xff"])
def test_what_is_no_chain_is_refused(text: bytes) -> None:
    assert unavailability_of(lambda: chain(text)) == ("dcap.tcb_info_chain.cert_format",)


@pytest.mark.property
@given(st.binary(max_size=64) | spliced(CHAIN) | spliced(quote(CHAIN).encode()))
def test_any_bytes_are_a_chain_or_refused(text: bytes) -> None:
    try:
        pem = chain(text)
    except CollateralUnavailableError:
        return

    assert b"-----BEGIN CERTIFICATE-----" in pem


def test_a_refusal_names_the_origin() -> None:
    with pytest.raises(CollateralUnavailableError, match="a PEM issuer chain from a test"):
        chain(b"")
