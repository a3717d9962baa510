from __future__ import annotations

import base64
import hashlib
from datetime import datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from assay.errors import SettingsError
from assay.keys import PrivateKey, SigningAlgorithm, SigningKey, generate_key, key_id

# The generator of P-256 as a public key; its identifier was worked out in a shell:
# `(cat key.pem; printf '\0') | sha256sum`.
PEM = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""


def test_key_id_is_the_hash_of_the_pem_text_and_a_nul() -> None:
    public_key = load_pem_public_key(PEM)
    assert isinstance(public_key, ec.EllipticCurvePublicKey)

    kid = key_id(public_key)

    assert kid == base64.b64encode(hashlib.sha256(PEM + b"\0").digest()).decode()
    assert kid == "ZjaHQhEXAHdFaflmloR6xDL78AQiQB8Qg/V/9W5iSRU="


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_a_key_knows_its_identifier_and_public_key(
    algorithm: SigningAlgorithm, at: datetime
) -> None:
    key = generate_key(algorithm, created_at=at)

    assert key.algorithm is algorithm
    assert key.created_at == at
    assert key.kid == key_id(key.public_key)
    assert key.public_key == key.private_key.public_key()
    assert load_pem_public_key(key.spki_pem) == key.public_key


def test_rs256_signs_with_pkcs1(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.RS256, created_at=at)

    signature = key.sign(b"data")

    assert isinstance(key.public_key, rsa.RSAPublicKey)
    key.public_key.verify(signature, b"data", padding.PKCS1v15(), hashes.SHA256())


def test_ps256_signs_with_a_salt_as_long_as_its_digest(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.PS256, created_at=at)

    signature = key.sign(b"data")

    assert isinstance(key.public_key, rsa.RSAPublicKey)
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    key.public_key.verify(signature, b"data", scheme, hashes.SHA256())


@pytest.mark.parametrize(
    ("algorithm", "size", "digest"),
    [
        (SigningAlgorithm.ES256, 32, hashes.SHA256()),
        (SigningAlgorithm.ES384, 48, hashes.SHA384()),
    ],
)
def test_ecdsa_signatures_are_r_and_s_of_fixed_size(
    algorithm: SigningAlgorithm, size: int, digest: hashes.HashAlgorithm, at: datetime
) -> None:
    key = generate_key(algorithm, created_at=at)
    assert isinstance(key.public_key, ec.EllipticCurvePublicKey)

    # One r in 256 has a leading zero byte, which DER drops and JOSE keeps.
    for _ in range(64):
        signature = key.sign(b"data")

        assert len(signature) == 2 * size
        r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        key.public_key.verify(utils.encode_dss_signature(r, s), b"data", ec.ECDSA(digest))


def _rsa(bits: int) -> PrivateKey:
    return rsa.generate_private_key(65537, bits)


@pytest.mark.parametrize(
    ("algorithm", "private_key", "said"),
    [
        (SigningAlgorithm.RS256, _rsa(1024), "an RSA key of 1024 bits"),
        (SigningAlgorithm.PS256, ec.generate_private_key(ec.SECP256R1()), "on secp256r1"),
        (SigningAlgorithm.ES256, ec.generate_private_key(ec.SECP384R1()), "on secp384r1"),
        (SigningAlgorithm.ES384, _rsa(2048), "an RSA key of 2048 bits"),
    ],
)
def test_a_key_must_fit_its_algorithm(
    algorithm: SigningAlgorithm, private_key: PrivateKey, said: str, at: datetime
) -> None:
    with pytest.raises(SettingsError, match=said):
        SigningKey(algorithm=algorithm, private_key=private_key, created_at=at)


def test_a_key_shows_no_private_part(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=at)

    shown = repr(key)

    assert key.kid in shown
    assert "private" not in shown.lower()
    assert "signer" not in shown
    assert "object at 0x" not in shown


def test_keys_are_equal_by_what_they_publish(at: datetime) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=at)
    same = SigningKey(algorithm=SigningAlgorithm.ES256, private_key=key.private_key, created_at=at)

    assert key == same
    assert key != generate_key(SigningAlgorithm.ES256, created_at=at)
