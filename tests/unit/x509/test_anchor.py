from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.errors import SettingsError
from assay.x509 import TrustAnchor, subject_public_key
from tests.certificates import CA_USAGE, ROOT, Keys, Recipe, name


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys()


def test_an_anchor_is_the_name_and_the_key_of_a_root(keys: Keys) -> None:
    root = keys.root_recipe.sign(keys.root)

    anchor = TrustAnchor.from_certificate(root)

    spki = keys.root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert anchor.name == name(ROOT)
    assert anchor.spki == subject_public_key(root) == spki
    assert anchor.public_key == keys.root.public_key()
    assert anchor.fingerprint == hashlib.sha256(spki).hexdigest()
    assert not anchor.simulated


def test_an_anchor_can_be_marked_as_simulated(keys: Keys) -> None:
    root = keys.root_recipe.sign(keys.root)

    marked = TrustAnchor.from_certificate(root, simulated=True)

    assert marked.simulated
    assert marked != TrustAnchor.from_certificate(root)


def test_two_certificates_of_one_name_and_key_are_the_same_anchor(keys: Keys) -> None:
    old = replace(keys.root_recipe, serial=1).sign(keys.root)
    new = replace(keys.root_recipe, serial=2, path_length=0).sign(keys.root)

    assert TrustAnchor.from_certificate(old) == TrustAnchor.from_certificate(new)
    assert TrustAnchor.from_certificate(old).issued(new)


def test_an_anchor_does_not_know_another_name_with_its_key(keys: Keys) -> None:
    anchor = TrustAnchor.from_certificate(keys.root_recipe.sign(keys.root))

    renamed = replace(keys.root_recipe, subject=name("Intel SGX Root CA 2")).sign(keys.root)

    assert not anchor.issued(renamed)


def test_an_anchor_does_not_know_another_key_with_its_name(keys: Keys) -> None:
    anchor = TrustAnchor.from_certificate(keys.root_recipe.sign(keys.root))
    stranger = Keys()

    assert not anchor.issued(stranger.root_recipe.sign(stranger.root))


def test_an_anchor_needs_a_key_on_an_elliptic_curve() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = Recipe(
        subject=name(ROOT), issuer=name(ROOT), key=key.public_key(), ca=True, usage=CA_USAGE
    ).sign(key)

    with pytest.raises(SettingsError, match="elliptic-curve key"):
        TrustAnchor.from_certificate(root)
