from __future__ import annotations

import hashlib
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

from assay.endorsements.anchors import intel_sgx_anchors
from assay.errors import UntrustedEvidenceError
from assay.evidence.sgx import parse_quote
from assay.simulator.pki import generate_key
from assay.x509 import ChainProfile, TrustAnchor, common_name, read_pem_chain
from assay.x509.chain import shown_name
from tests.certificates import CA, CA_USAGE, LEAF, ROOT, Keys, PublicKey, name
from tests.conftest import AT
from tests.refusals import refusal_of
from tests.unit.x509.chains import (
    ANCHOR,
    CA_CERTIFICATE,
    CHAIN,
    KEYS,
    LEAF_CERTIFICATE,
    LEAF_DER,
    PROFILE,
    ROOT_CERTIFICATE,
    verify,
)

CRL_PROFILE = ChainProfile(
    check="test.chain",
    label="test chain",
    common_names=(frozenset({CA}), frozenset({ROOT})),
    ca_leaf=True,
)


def refused(*certificates: x509.Certificate, **changes: Any) -> str:  # noqa: ANN401
    (code,) = refusal_of(lambda: verify(*certificates, **changes))
    return code.removeprefix("test.chain.")


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
