from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from assay.errors import SettingsError
from assay.token.owner import read_certificate, read_owner_token, read_policy_text
from assay.token.owner_signing import (
    RESET_PAYLOAD,
    certificate_payload,
    policy_payload,
    sign_owner_token,
    unsecured_owner_token,
)
from tests.administration import PERMIT, PrivateKey, certify, ec_key, owner, rsa_key


def test_an_unsecured_policy_is_read_back() -> None:
    token = read_owner_token(unsecured_owner_token(policy_payload(PERMIT)))

    assert read_policy_text(token) == PERMIT
    assert not token.signed


def test_a_reset_is_what_every_client_sends() -> None:
    assert unsecured_owner_token(RESET_PAYLOAD) == "eyJhbGciOiJub25lIn0.."


@pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["RSA", "EC"])
def test_a_signed_token_is_read_back_with_its_chain(key: PrivateKey) -> None:
    certificate = certify(key, "leaf", issuer=("owner", rsa_key()))

    token = read_owner_token(sign_owner_token(b"{}", key, [certificate, owner()]))

    assert token.certificates == (certificate, owner())
    assert token.payload == b"{}"


@pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["RSA", "EC"])
def test_a_certificate_is_read_back(key: PrivateKey) -> None:
    certificate = certify(key)

    token = read_owner_token(unsecured_owner_token(certificate_payload(certificate)))

    assert read_certificate(token) == certificate


def test_a_key_of_another_certificate_does_not_sign() -> None:
    with pytest.raises(SettingsError, match="not that of the first certificate"):
        sign_owner_token(b"", rsa_key(1), [owner()])
    with pytest.raises(SettingsError, match="not that of the first certificate"):
        sign_owner_token(b"", rsa_key(), [])


def test_a_key_on_another_curve_does_not_sign() -> None:
    key = ec.generate_private_key(ec.SECP384R1())

    with pytest.raises(SettingsError, match="got one on secp384r1"):
        sign_owner_token(b"", key, [certify(key)])
