from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import UntrustedEvidenceError
from assay.x509 import read_pem_chain
from tests.certificates import LEAF, armoured, pem
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import refusal_of
from tests.unit.x509.chains import CHAIN, KEYS, LEAF_CERTIFICATE, LEAF_DER, PEM, PROFILE, verify


def read_refused(data: bytes) -> str:
    (code,) = refusal_of(lambda: read_pem_chain(data, PROFILE))
    return code.removeprefix("test.chain.")


@pytest.mark.parametrize(
    "data",
    [
        PEM,
        PEM.replace(b"\n", b"\r\n"),
        PEM.rstrip(b"\n"),
        b" \t\r\n" + PEM + b"\n\n \n",
        PEM.replace(b"-----END CERTIFICATE-----\n", b"-----END CERTIFICATE-----"),
        PEM.replace(b"-----END CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n\n\n"),
    ],
    ids=["as served", "CRLF", "no last line feed", "white space around", "no gaps", "wide gaps"],
)
def test_certificates_are_read_in_the_order_given(data: bytes) -> None:
    assert read_pem_chain(data, PROFILE) == CHAIN


def test_a_certificate_without_line_breaks_is_read() -> None:
    head, *body, foot = pem(LEAF_CERTIFICATE).split()[1:-1]

    data = b"-----BEGIN " + head + b"\n" + b"".join(body) + b"\n" + foot + b" CERTIFICATE-----"

    assert read_pem_chain(data, PROFILE) == (LEAF_CERTIFICATE,)


@pytest.mark.parametrize(
    "data",
    [
        b"x" + PEM,
        PEM + b"x",
        PEM + b"\0",
        PEM.replace(b"-----END CERTIFICATE-----\n", b"-----END CERTIFICATE-----\nsubject=x\n"),
        PEM.replace(b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN CERTIFICATE-----\nA: b\n\n", 1),
        PEM.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
        PEM.replace(b"CERTIFICATE", b"certificate"),
        PEM.replace(b"CERTIFICATE", b"PRIVATE KEY", 2),
        PEM.replace(b"-----BEGIN", b"----BEGIN", 1),
        PEM.replace(b"-----END CERTIFICATE-----", b"", 1),
        b"\xef\xbb\xbf" + PEM,
        PEM.replace(b"A", "\N{CYRILLIC CAPITAL LETTER A}".encode(), 1),
        PEM.replace(b"A", b"-", 1),
        b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        b"not PEM",
        LEAF_CERTIFICATE.public_bytes(Encoding.DER),
    ],
    ids=[
        "text before",
        "text after",
        "NUL after",
        "text between",
        "headers",
        "another label",
        "label in lower case",
        "a private key",
        "four dashes",
        "no end",
        "byte order mark",
        "beyond ASCII",
        "base64url",
        "no body",
        "text",
        "DER",
    ],
)
def test_anything_but_pem_certificates_and_white_space_is_refused(data: bytes) -> None:
    """TC-06."""
    assert read_refused(data) == "cert_format"


@pytest.mark.parametrize("data", [b"", b" \r\n\t\n"])
def test_no_certificate_is_refused(data: bytes) -> None:
    assert read_refused(data) == "chain"


def test_a_chain_has_at_most_32_kilobytes_white_space_included() -> None:
    assert read_pem_chain(PEM.ljust(32 * 1024), PROFILE) == CHAIN
    assert read_refused(PEM.ljust(32 * 1024 + 1)) == "cert_format"


def test_eight_certificates_are_read_and_nine_are_not() -> None:
    assert len(read_pem_chain(pem(*[LEAF_CERTIFICATE] * 8), PROFILE)) == 8
    assert read_refused(pem(*[LEAF_CERTIFICATE] * 9)) == "chain"


def der(recipe_changes: dict[str, Any], by: ec.EllipticCurvePrivateKey = KEYS.ca) -> bytes:
    certificate = replace(KEYS.leaf_recipe, **recipe_changes).sign(by)
    return certificate.public_bytes(Encoding.DER)


SERIAL = b"\xa0\x03\x02\x01\x02\x02\x01\x07"  # [0] { INTEGER 2 }, INTEGER 7
P256 = bytes.fromhex("06082a8648ce3d030107")


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"\x30\x80\0\0",
        LEAF_DER[:-1],
        LEAF_DER + b"\0",
        LEAF_DER.replace(SERIAL, SERIAL[:4] + b"\x07" + SERIAL[5:]),
        LEAF_DER.replace(SERIAL, SERIAL[:-1] + b"\x00"),
        LEAF_DER.replace(SERIAL, SERIAL[:-1] + b"\xff"),
        LEAF_DER.replace(P256 + b"\x03", P256[:-1] + b"\x70\x03"),
        LEAF_DER.replace(b"\x03\x42\x00\x04", b"\x03\x42\x00\x05"),
        LEAF_DER.replace(b"\x06\x03\x55\x1d\x0f", b"\x06\x03\x55\x1d\x13"),
        LEAF_DER.replace(b"\x06\x03\x55\x04\x03\x0c", b"\x06\x03\x55\x04\x03\x01"),
        LEAF_DER.replace(LEAF.encode(), b"\xff" * len(LEAF)),
        LEAF_DER.replace(AT.strftime("%y").encode() + b"11", b"9913"),
    ],
    ids=[
        "zero",
        "indefinite length",
        "cut",
        "trailing byte",
        "version 8",
        "serial number 0",
        "negative serial number",
        "unknown curve",
        "a point of no format",
        "one extension twice",
        "a boolean for a name",
        "a name not in UTF-8",
        "month 13",
    ],
)
def test_what_is_not_a_certificate_is_refused(data: bytes) -> None:
    assert data != LEAF_DER
    assert read_refused(armoured(data)) == "cert_format"


@pytest.mark.parametrize("serial", [b"\x00", b"\xff"], ids=["0", "-1"])
@pytest.mark.filterwarnings("ignore")  # As in production; the other tests make errors of warnings.
def test_a_serial_number_below_one_is_refused_whatever_becomes_of_warnings(serial: bytes) -> None:
    below_one = LEAF_DER.replace(SERIAL, SERIAL[:-1] + serial)

    assert read_refused(armoured(below_one)) == "cert_format"


def test_an_extension_that_the_library_trips_over_is_refused() -> None:
    # A TLS feature (RFC 7633) whose number nobody has assigned.
    feature = x509.UnrecognizedExtension(ExtensionOID.TLS_FEATURE, bytes.fromhex("3003020101"))
    leaf = replace(KEYS.leaf_recipe, extensions=((feature, False),)).sign(KEYS.ca)

    assert read_refused(pem(leaf)) == "cert_format"


def test_a_signature_that_is_not_of_whole_bytes_is_refused() -> None:
    # A last bit of 0 may be left out of the count, or the certificate would not even parse.
    leaf = LEAF_CERTIFICATE
    while leaf.signature[-1] & 1:
        leaf = KEYS.leaf_recipe.sign(KEYS.ca)
    der = leaf.public_bytes(Encoding.DER)
    unused_bits = len(der) - len(leaf.signature) - 1
    respelled = der[:unused_bits] + b"\1" + der[unused_bits + 1 :]

    assert x509.load_der_x509_certificate(respelled).signature == leaf.signature
    assert read_refused(armoured(respelled)) == "cert_format"


@pytest.mark.property
@given(
    st.one_of(
        st.binary(max_size=400),
        spliced(PEM, reach=40),
        spliced(LEAF_DER).map(armoured),
        st.text("-BEGIN CERTIFICATE\n=A", max_size=200).map(str.encode),
    )
)
def test_any_bytes_are_certificates_or_a_finding(data: bytes) -> None:
    with contextlib.suppress(UntrustedEvidenceError):
        certificates = read_pem_chain(data, PROFILE)
        verify(*certificates)
