from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from assay.endorsements.anchors import intel_sgx_anchors
from assay.errors import UntrustedEvidenceError
from assay.evidence.sgx import parse_quote
from assay.simulator.pki import generate_key
from assay.x509 import (
    CertificateChain,
    ChainProfile,
    TrustAnchor,
    common_name,
    read_pem_chain,
    verify_chain,
)
from assay.x509.chain import shown_name
from tests.certificates import CA, CA_USAGE, LEAF, ROOT, Keys, PublicKey, armoured, name, pem
from tests.conftest import AT
from tests.mutations import spliced
from tests.refusals import refusal_of

KEYS = Keys()
LEAF_CERTIFICATE = KEYS.leaf_recipe.sign(KEYS.ca)
CA_CERTIFICATE = KEYS.ca_recipe.sign(KEYS.root)
ROOT_CERTIFICATE = KEYS.root_recipe.sign(KEYS.root)
CHAIN = (LEAF_CERTIFICATE, CA_CERTIFICATE, ROOT_CERTIFICATE)
PEM = pem(*CHAIN)
ANCHOR = TrustAnchor.from_certificate(ROOT_CERTIFICATE)
PROFILE = ChainProfile(
    check="test.chain",
    label="test chain",
    common_names=(frozenset({LEAF}), frozenset({CA, "Other CA"}), frozenset({ROOT})),
)
CRL_PROFILE = ChainProfile(
    check="test.chain",
    label="test chain",
    common_names=(frozenset({CA}), frozenset({ROOT})),
    ca_leaf=True,
)


def read_refused(data: bytes) -> str:
    (code,) = refusal_of(lambda: read_pem_chain(data, PROFILE))
    return code.removeprefix("test.chain.")


def verify(
    *certificates: x509.Certificate,
    anchors: Sequence[TrustAnchor] = (ANCHOR,),
    profile: ChainProfile = PROFILE,
) -> CertificateChain:
    return verify_chain(certificates, profile, anchors=anchors)


def refused(*certificates: x509.Certificate, **changes: Any) -> str:  # noqa: ANN401
    (code,) = refusal_of(lambda: verify(*certificates, **changes))
    return code.removeprefix("test.chain.")


# Reading


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


LEAF_DER = LEAF_CERTIFICATE.public_bytes(Encoding.DER)
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


# Verifying


def test_a_sound_chain_keeps_its_anchor_and_its_windows() -> None:
    chain = verify(*CHAIN)

    assert chain.certificates == CHAIN
    assert chain.anchor is ANCHOR
    assert chain.leaf == LEAF_CERTIFICATE
    assert chain.leaf_key == KEYS.leaf.public_key()
    assert [window.label for window in chain.validities] == [
        f"test chain: {LEAF}",
        f"test chain: {CA}",
        f"test chain: {ROOT}",
    ]
    assert {window.not_after for window in chain.validities} == {
        (AT + timedelta(days=1)).timestamp()
    }


def test_the_chain_of_a_list_s_issuer_has_a_ca_as_its_leaf() -> None:
    assert verify(CA_CERTIFICATE, ROOT_CERTIFICATE, profile=CRL_PROFILE).leaf == CA_CERTIFICATE


@pytest.mark.parametrize(
    "certificates",
    [
        (),
        CHAIN[:2],
        CHAIN[1:],
        (*CHAIN, ROOT_CERTIFICATE),
        (CHAIN[0], CHAIN[2], CHAIN[1]),
        CHAIN[::-1],
        (CHAIN[0], CHAIN[0], CHAIN[2]),
        (CHAIN[0], CHAIN[1], CHAIN[1]),
    ],
    ids=["none", "no root", "no leaf", "two roots", "swapped", "reversed", "two leaves", "two CAs"],
)
def test_a_chain_of_another_shape_is_refused(certificates: tuple[x509.Certificate, ...]) -> None:
    assert refused(*certificates) == "chain"


def test_a_root_that_is_not_pinned_is_refused() -> None:
    """CH-02: a self-made chain, consistent in itself."""
    stranger = Keys()
    chain = (
        stranger.leaf_recipe.sign(stranger.ca),
        stranger.ca_recipe.sign(stranger.root),
        stranger.root_recipe.sign(stranger.root),
    )

    assert refused(*chain) == "root_untrusted"
    both = [ANCHOR, TrustAnchor.from_certificate(chain[-1])]
    assert verify(*chain, anchors=both).certificates == chain


def test_no_roots_trust_nothing() -> None:
    assert refused(*CHAIN, anchors=()) == "root_untrusted"


def test_several_roots_are_tried_each_by_its_own_key() -> None:
    others = [Keys() for _ in range(3)]
    anchors = [TrustAnchor.from_certificate(keys.root_recipe.sign(keys.root)) for keys in others]

    assert verify(*CHAIN, anchors=[*anchors, ANCHOR]).anchor is ANCHOR
    assert refused(*CHAIN, anchors=anchors) == "root_untrusted"


def test_a_certificate_with_the_root_s_name_and_key_still_has_to_be_self_signed() -> None:
    """CH-18: a pinned key is not a licence for every certificate that shows it."""
    stranger = generate_key()
    forged = KEYS.root_recipe.sign(stranger)

    assert refused(LEAF_CERTIFICATE, CA_CERTIFICATE, forged) == "chain"


def test_a_pinned_root_that_is_not_a_ca_is_refused() -> None:
    root = replace(KEYS.root_recipe, ca=False, path_length=None).sign(KEYS.root)

    assert refused(LEAF_CERTIFICATE, CA_CERTIFICATE, root) == "chain"


@pytest.mark.parametrize("place", [0, 1])
def test_a_certificate_with_a_foreign_signature_is_refused(place: int) -> None:
    recipe = (KEYS.leaf_recipe, KEYS.ca_recipe)[place]
    chain = list(CHAIN)
    chain[place] = recipe.sign(generate_key())

    assert refused(*chain) == "chain"


@pytest.mark.parametrize("place", [0, 1])
def test_a_certificate_of_another_issuer_s_name_is_refused(place: int) -> None:
    recipe, by = ((KEYS.leaf_recipe, KEYS.ca), (KEYS.ca_recipe, KEYS.root))[place]
    chain = list(CHAIN)
    chain[place] = replace(recipe, issuer=name("Somebody else")).sign(by)

    assert refused(*chain) == "chain"


def test_a_leaf_that_the_root_issued_itself_is_refused() -> None:
    leaf = KEYS.leaf_recipe.sign(KEYS.root)

    assert refused(leaf, CA_CERTIFICATE, ROOT_CERTIFICATE) == "chain"


def keys_of_other_kinds() -> list[PublicKey]:
    return [
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key(),
    ]


@pytest.mark.parametrize("key", keys_of_other_kinds(), ids=["P-384", "secp256k1", "RSA"])
def test_a_key_of_another_kind_is_refused(key: PublicKey) -> None:
    """CH-24."""
    leaf = replace(KEYS.leaf_recipe, key=key).sign(KEYS.ca)

    assert refused(leaf, CA_CERTIFICATE, ROOT_CERTIFICATE) == "chain"


def test_a_signature_of_another_hash_is_refused() -> None:
    leaf = replace(KEYS.leaf_recipe, digest=hashes.SHA384()).sign(KEYS.ca)

    assert refused(leaf, CA_CERTIFICATE, ROOT_CERTIFICATE) == "chain"


def test_a_certificate_that_names_two_algorithms_is_refused() -> None:
    sha256 = bytes.fromhex("06082a8648ce3d040302")
    first = LEAF_DER.index(sha256)
    changed = LEAF_DER[: first + 9] + b"\x03" + LEAF_DER[first + 10 :]

    leaf = x509.load_der_x509_certificate(changed)

    assert refused(leaf, CA_CERTIFICATE, ROOT_CERTIFICATE) == "chain"


@pytest.mark.parametrize(
    "subject",
    [
        name("intel sgx pck certificate"),
        name(LEAF + " "),
        name("Intel SGX TCB Signing"),
        name(LEAF, LEAF),
        name(LEAF, "other"),
        x509.Name([]),
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, LEAF)]),
        x509.Name(
            [
                x509.RelativeDistinguishedName(
                    [
                        x509.NameAttribute(NameOID.COMMON_NAME, LEAF),
                        x509.NameAttribute(NameOID.COMMON_NAME, "other"),
                    ]
                )
            ]
        ),
    ],
    ids=[
        "another case",
        "a trailing space",
        "another role",
        "twice",
        "two",
        "empty",
        "an organization",
        "two in one",
    ],
)
def test_a_leaf_of_another_name_is_refused(subject: x509.Name) -> None:
    leaf = replace(KEYS.leaf_recipe, subject=subject).sign(KEYS.ca)

    assert refused(leaf, CA_CERTIFICATE, ROOT_CERTIFICATE) == "chain"


def test_every_name_that_the_profile_allows_is_accepted() -> None:
    other = replace(KEYS.ca_recipe, subject=name("Other CA")).sign(KEYS.root)
    leaf = replace(KEYS.leaf_recipe, issuer=name("Other CA")).sign(KEYS.ca)

    assert verify(leaf, other, ROOT_CERTIFICATE).leaf == leaf


def test_a_role_is_not_taken_over_by_a_certificate_of_another() -> None:
    """A TCB signer's chain may not be a PCK CA's, though the root issued both."""
    profile = replace(PROFILE, common_names=(frozenset({CA}), frozenset({ROOT})))

    assert refused(CA_CERTIFICATE, ROOT_CERTIFICATE, profile=profile) == "chain"


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_unknown_extension_is_refused_where_it_is_critical(place: int) -> None:
    recipes = ((KEYS.leaf_recipe, KEYS.ca), (KEYS.ca_recipe, KEYS.root))
    recipe, by = (*recipes, (KEYS.root_recipe, KEYS.root))[place]
    critical, passing = list(CHAIN), list(CHAIN)
    critical[place] = replace(recipe, extensions=((UNKNOWN, True),)).sign(by)
    passing[place] = replace(recipe, extensions=((UNKNOWN, False),)).sign(by)

    assert refused(*critical) == "chain"
    assert verify(*passing).certificates == tuple(passing)


@pytest.mark.parametrize(
    "changes",
    [
        {"ca": None},
        {"usage": None},
        {"ca": True},
        {"usage": frozenset({"content_commitment"})},
    ],
    ids=["no constraints", "no usage", "a CA", "not for signatures"],
)
def test_a_leaf_of_another_role_is_refused(changes: dict[str, Any]) -> None:
    leaf = replace(KEYS.leaf_recipe, **changes).sign(KEYS.ca)

    assert refused(leaf, CA_CERTIFICATE, ROOT_CERTIFICATE) == "chain"


@pytest.mark.parametrize(
    "changes",
    [
        {"ca": None},
        {"usage": None},
        {"ca": False, "path_length": None},
        {"usage": CA_USAGE - {"key_cert_sign"} | {"digital_signature"}},
        {"usage": CA_USAGE - {"crl_sign"}},
    ],
    ids=["no constraints", "no usage", "not a CA", "signs no certificates", "signs no lists"],
)
def test_an_intermediate_of_another_role_is_refused(changes: dict[str, Any]) -> None:
    ca = replace(KEYS.ca_recipe, **changes).sign(KEYS.root)

    assert refused(LEAF_CERTIFICATE, ca, ROOT_CERTIFICATE) == "chain"


def test_a_root_s_path_length_does_not_count() -> None:
    """One genuine root of Intel's says 0 above an intermediate."""
    root = replace(KEYS.root_recipe, path_length=0).sign(KEYS.root)

    assert verify(LEAF_CERTIFICATE, CA_CERTIFICATE, root).leaf == LEAF_CERTIFICATE


def test_every_genuine_root_of_intel_s_verifies_under_the_one_pinned(vectors: Path) -> None:
    profile = ChainProfile(
        check="test.chain", label="roots", common_names=(frozenset({ROOT}),), ca_leaf=True
    )
    roots = {
        read_pem_chain(
            parse_quote(path.read_bytes()).signature.certification_data.rstrip(b"\0"), profile
        )[-1]
        for path in vectors.glob("dcap/real/sgx-*/quote.bin")
    }

    for root in roots:
        verify(root, anchors=intel_sgx_anchors(), profile=profile)

    digests = {hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest()[:8] for root in roots}
    assert digests <= {"44a0196b", "fc64f807", "72f9c249", "2d173da6"}
    assert len(digests) > 1


# Names


def test_a_name_is_its_common_name_or_all_of_itself() -> None:
    assert common_name(name("one")) == "one"
    assert common_name(name("one", "two")) == "CN=two,CN=one"
    assert common_name(x509.Name([])) == ""


def test_a_shown_name_is_short_and_printable() -> None:
    assert shown_name(name("plain")) == "'plain'"
    assert shown_name(name("x" * 64)) == repr("x" * 64)
    assert shown_name(name("\x1b[31m\n")) == repr("\x1b[31m\n")
    assert len(shown_name(name(*["x" * 64] * 100))) < 80


def test_a_long_name_does_not_flood_the_finding() -> None:
    flood = name(*["x" * 64] * 100)
    leaf = replace(KEYS.leaf_recipe, subject=flood).sign(KEYS.ca)

    with pytest.raises(UntrustedEvidenceError) as caught:
        verify(leaf, CA_CERTIFICATE, ROOT_CERTIFICATE)

    assert len(caught.value.findings[0].actual) < 100
