from __future__ import annotations

from datetime import datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from assay.encoding import encode_base64url, encode_json
from assay.errors import SettingsError
from assay.keys import (
    KeyEncryptionKey,
    SigningAlgorithm,
    SigningKey,
    generate_key,
    open_key,
    open_reference,
    seal_key,
    seal_reference,
)

KEK = KeyEncryptionKey(bytes(range(32)))


def _open(sealed: bytes, key: SigningKey, kek: KeyEncryptionKey = KEK) -> SigningKey:
    return open_key(sealed, kek, kid=key.kid, algorithm=key.algorithm, created_at=key.created_at)


@pytest.mark.parametrize(
    ("algorithm", "bits"),
    [
        (SigningAlgorithm.RS256, 2048),
        (SigningAlgorithm.PS256, 2048),
        (SigningAlgorithm.ES256, 256),
        (SigningAlgorithm.ES384, 384),
    ],
)
def test_generate_makes_the_size_of_the_algorithm(
    algorithm: SigningAlgorithm, bits: int, at: datetime
) -> None:
    key = generate_key(algorithm, created_at=at)

    assert key.public_key.key_size == bits


def test_generate_uses_the_usual_exponent(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.RS256, created_at=at)

    assert isinstance(key.public_key, rsa.RSAPublicKey)
    assert key.public_key.public_numbers().e == 65537


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_a_sealed_key_opens_as_itself(algorithm: SigningAlgorithm, at: datetime) -> None:
    """TK-08: the same identifier after a restart, so that older tokens still verify."""
    key = generate_key(algorithm, created_at=at)

    opened = _open(seal_key(key, KEK), key)

    assert opened == key
    assert opened.spki_pem == key.spki_pem


def test_a_sealed_key_shows_nothing_of_the_private_key(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=at)
    assert isinstance(key.private_key, ec.EllipticCurvePrivateKey)
    secret = key.private_key.private_numbers().private_value.to_bytes(32, "big")

    assert secret not in seal_key(key, KEK)


def test_a_sealed_key_does_not_open_under_another_identifier(at: datetime) -> None:
    """KR-01, KR-04: rows of the store swapped."""
    key, other = (generate_key(SigningAlgorithm.ES256, created_at=at) for _ in range(2))

    with pytest.raises(SettingsError, match="did not seal it, or it was changed"):
        _open(seal_key(key, KEK), other)


def test_a_sealed_key_does_not_open_for_another_algorithm(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.RS256, created_at=at)

    with pytest.raises(SettingsError):
        open_key(
            seal_key(key, KEK), KEK, kid=key.kid, algorithm=SigningAlgorithm.PS256, created_at=at
        )


def test_a_sealed_key_does_not_open_with_another_key_encryption_key(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=at)

    with pytest.raises(SettingsError, match="configure the key that this database was created"):
        _open(seal_key(key, KEK), key, KeyEncryptionKey(bytes(32)))


def test_open_refuses_a_private_key_of_another_kind(at: datetime) -> None:
    plaintext = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    sealed = KEK.seal(plaintext, context=encode_json(["assay signing key", "k", "ES256"]))

    with pytest.raises(SettingsError, match="need an RSA or EC key"):
        open_key(sealed, KEK, kid="k", algorithm=SigningAlgorithm.ES256, created_at=at)


def test_a_reference_comes_back_as_it_was_sealed(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=at)
    sealed = seal_reference(key, b"identifier", KEK)

    opened = open_reference(sealed, KEK, kid=key.kid, algorithm=key.algorithm)

    assert opened == (b"identifier", key.public_key)


def test_a_reference_is_of_one_key_and_algorithm_and_no_private_key(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.RS256, created_at=at)
    reference, private = seal_reference(key, b"identifier", KEK), seal_key(key, KEK)

    for kid, algorithm in (("other", key.algorithm), (key.kid, SigningAlgorithm.PS256)):
        with pytest.raises(SettingsError, match="did not seal it"):
            open_reference(reference, KEK, kid=kid, algorithm=algorithm)
    with pytest.raises(SettingsError, match="did not seal it"):
        open_reference(private, KEK, kid=key.kid, algorithm=key.algorithm)


def test_a_reference_to_a_key_of_another_kind_is_told() -> None:
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    plaintext = encode_json(["", encode_base64url(spki)])
    context = encode_json(["assay signing key in a device", "kid", "ES256"])
    sealed = KEK.seal(plaintext, context=context)

    with pytest.raises(SettingsError, match="need an RSA or EC key"):
        open_reference(sealed, KEK, kid="kid", algorithm=SigningAlgorithm.ES256)
