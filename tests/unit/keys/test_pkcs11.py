from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11 import TokenFlag
from pkcs11.exceptions import FunctionFailed

from assay.encoding import encode_json
from assay.errors import SettingsError, SigningUnavailableError
from assay.keys import PrivateKey, SigningAlgorithm, SigningKey
from assay.keys.pkcs11 import Pkcs11Token, TokenAddress
from assay.token import (
    TokenExpectations,
    answer_claims,
    jwks,
    parse_key_set,
    sign_token,
    signing_certificate,
    verify_token,
)
from tests.conftest import AT
from tests.tokens import PIN, SoftHsm, opened

_IDENTIFIER: Final = b"0123456789abcdef"
_ISSUER: Final = "https://assay.example"


@pytest.fixture(scope="module")
def address(softhsm: SoftHsm) -> TokenAddress:
    return softhsm.create()


@pytest.fixture
def token(address: TokenAddress) -> Iterator[Pkcs11Token]:
    with opened(address) as found:
        yield found
        found.destroy(_IDENTIFIER)


def _make(token: Pkcs11Token, algorithm: SigningAlgorithm) -> SigningKey:
    public = token.generate(algorithm, identifier=_IDENTIFIER, label="assay test")
    private = token.private_key(public, identifier=_IDENTIFIER)
    return SigningKey(algorithm=algorithm, private_key=private, created_at=AT)


def _pem(folder: Path, key: PrivateKey | ed25519.Ed25519PrivateKey) -> Path:
    file = folder / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@pytest.mark.parametrize("algorithm", SigningAlgorithm)
def test_a_key_in_a_token_signs_tokens_and_its_certificate(
    token: Pkcs11Token, algorithm: SigningAlgorithm
) -> None:
    key = _make(token, algorithm)

    certificate = signing_certificate(key, issuer=_ISSUER)

    x509.load_der_x509_certificate(certificate).verify_directly_issued_by(
        x509.load_der_x509_certificate(certificate)
    )
    keys = parse_key_set(encode_json(jwks([(key, certificate)])))
    claims = answer_claims({}, issuer=_ISSUER, issued_at=AT)
    signed = sign_token(claims, key, issuer=_ISSUER)
    verified = verify_token(signed, keys, at=AT, expect=TokenExpectations(issuer=_ISSUER))
    assert verified.claims["iss"] == _ISSUER


def test_a_key_that_was_brought_is_found_by_its_label(
    softhsm: SoftHsm, address: TokenAddress, tmp_path: Path
) -> None:
    brought = ec.generate_private_key(ec.SECP256R1())
    softhsm.import_key(address, _pem(tmp_path, brought), "brought")

    with opened(address) as token:
        found = token.labelled_key("brought")
        signature = SigningKey(
            algorithm=SigningAlgorithm.ES256, private_key=found, created_at=AT
        ).sign(b"data")

    assert found.public_key() == brought.public_key()
    assert len(signature) == 64


@pytest.mark.parametrize(
    ("label", "make"),
    [
        ("edwards", ed25519.Ed25519PrivateKey.generate),
        ("short", lambda: rsa.generate_private_key(65537, 1024)),  # noqa: S505  too short
        ("other curve", lambda: ec.generate_private_key(ec.SECP521R1())),
    ],
)
def test_a_key_of_another_kind_is_told(
    softhsm: SoftHsm,
    address: TokenAddress,
    tmp_path: Path,
    label: str,
    make: Callable[[], PrivateKey | ed25519.Ed25519PrivateKey],
) -> None:
    softhsm.import_key(address, _pem(tmp_path, make()), label)

    with opened(address) as token, pytest.raises(SettingsError, match="cannot sign here"):
        token.labelled_key(label)


def test_a_key_that_is_not_there_is_told(token: Pkcs11Token) -> None:
    with pytest.raises(SettingsError, match="has no such key"):
        token.labelled_key("nothing")
    key = token.private_key(
        rsa.generate_private_key(65537, 2048).public_key(), identifier=b"nothing"
    )
    with pytest.raises(SigningUnavailableError, match="has no such key"):
        SigningKey(algorithm=SigningAlgorithm.RS256, private_key=key, created_at=AT).sign(b"data")


def test_a_key_that_is_not_there_keeps_no_other_from_signing(address: TokenAddress) -> None:
    token = Pkcs11Token(address, rest_seconds=60)
    key = _make(token, SigningAlgorithm.ES256)

    with pytest.raises(SettingsError):
        token.labelled_key("nothing")

    assert key.sign(b"data")
    token.destroy(_IDENTIFIER)
    token.close()


def test_what_is_destroyed_signs_no_more(address: TokenAddress) -> None:
    with opened(address) as token:
        key = _make(token, SigningAlgorithm.ES256)
        token.destroy(_IDENTIFIER)
        token.destroy(_IDENTIFIER)

        with pytest.raises(SigningUnavailableError):
            key.sign(b"data")


# The token.


def test_a_module_that_is_not_there_is_told(address: TokenAddress, tmp_path: Path) -> None:
    lost = replace(address, module=tmp_path / "none.so")

    with opened(lost) as token, pytest.raises(SettingsError, match=r"module .*none\.so is not"):
        token.connect()


def test_a_file_that_is_no_module_is_told(address: TokenAddress, tmp_path: Path) -> None:
    (tmp_path / "other.so").write_bytes(b"no library")
    other = replace(address, module=tmp_path / "other.so")

    with opened(other) as token, pytest.raises(SettingsError, match="does not answer"):
        token.connect()


def test_a_token_that_is_not_there_is_told(address: TokenAddress) -> None:
    with (
        opened(replace(address, label="none")) as token,
        pytest.raises(SettingsError, match=r"token 'none' is not there; .* pkcs11\.token"),
    ):
        token.connect()


def test_a_wrong_pin_is_told_and_not_sent_again(softhsm: SoftHsm) -> None:
    address, wrong = softhsm.create(), secrets.token_hex(8)
    with opened(replace(address, pin=wrong)) as token:
        with pytest.raises(SettingsError, match=r"refuses the PIN \(PinIncorrect\)") as first:
            token.connect()
        _change_pin(address, wrong)

        # It would be right now.
        with pytest.raises(SettingsError, match="refuses the PIN") as second:
            token.connect()

    for caught in (first, second):
        assert wrong not in str(caught.getrepr(style="long", chain=True))


def _change_pin(address: TokenAddress, pin: str) -> None:
    found = pkcs11.lib(str(address.module)).get_token(token_label=address.label)
    with found.open(rw=True, user_pin=address.pin) as session:
        session.set_pin(address.pin, pin)


class _Library:
    """A module whose token says that the next wrong PIN is its last."""

    def __init__(self, flags: TokenFlag, *, failing: bool = False) -> None:
        self.flags = flags
        self.failing = failing
        self.logins = 0

    def get_token(self, *, token_label: str) -> Any:  # noqa: ANN401  a token
        del token_label
        return SimpleNamespace(flags=self.flags, open=self._open)

    def reinitialize(self) -> None:
        """Start anew."""

    def _open(self, **_: object) -> Any:  # noqa: ANN401  a session
        self.logins += 1
        if self.failing:
            raise FunctionFailed
        return SimpleNamespace(close=lambda: None)


@pytest.mark.parametrize("flag", [TokenFlag.USER_PIN_FINAL_TRY, TokenFlag.USER_PIN_LOCKED])
def test_a_token_that_would_lock_itself_is_left_alone(
    address: TokenAddress, flag: TokenFlag
) -> None:
    library = _Library(TokenFlag.LOGIN_REQUIRED | flag)
    token = Pkcs11Token(address, library=lambda _path: library)

    for _ in range(2):
        with pytest.raises(SettingsError, match="locks itself at the next wrong PIN"):
            token.connect()

    assert library.logins == 0


def test_a_pin_that_a_token_counts_as_wrong_without_saying_so_is_not_sent_again(
    address: TokenAddress,
) -> None:
    library = _Library(TokenFlag.LOGIN_REQUIRED | TokenFlag.USER_PIN_COUNT_LOW, failing=True)
    token = Pkcs11Token(address, library=lambda _path: library, rest_seconds=0)

    for _ in range(2):
        with pytest.raises(SettingsError, match="it counts a wrong one"):
            token.connect()

    assert library.logins == 1


def test_a_login_that_fails_for_another_reason_is_tried_again(address: TokenAddress) -> None:
    library = _Library(TokenFlag.LOGIN_REQUIRED, failing=True)
    token = Pkcs11Token(address, library=lambda _path: library, rest_seconds=0)
    with pytest.raises(SettingsError, match="does not answer"):
        token.connect()
    library.failing = False

    token.connect()

    assert library.logins == 3


def test_one_login_serves_the_whole_process(address: TokenAddress) -> None:
    with opened(address) as first, opened(replace(address, pin="unused")) as second:
        first.connect()
        second.connect()

        assert _make(second, SigningAlgorithm.ES256).sign(b"data")
        second.destroy(_IDENTIFIER)


def test_a_pin_shows_nowhere(address: TokenAddress) -> None:
    assert PIN not in repr(address)
    assert PIN not in repr(Pkcs11Token(address))


# Away and back.


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.RS256, SigningAlgorithm.ES256])
def test_a_token_that_was_away_signs_again_when_it_is_back(
    softhsm: SoftHsm, token: Pkcs11Token, algorithm: SigningAlgorithm
) -> None:
    key = _make(token, algorithm)
    assert key.sign(b"data")

    with softhsm.unplugged():
        with pytest.raises(SigningUnavailableError) as caught:
            key.sign(b"data")
        with pytest.raises(SigningUnavailableError):
            key.sign(b"data")

    assert PIN not in str(caught.getrepr(style="long", chain=True))
    assert key.sign(b"data")


def test_who_asks_again_at_once_is_told_the_same_without_another_attempt(
    softhsm: SoftHsm, address: TokenAddress
) -> None:
    token = Pkcs11Token(address, rest_seconds=60)
    with softhsm.unplugged(), pytest.raises(SettingsError) as first:
        token.connect()

    with pytest.raises(SettingsError) as second:
        token.connect()

    assert second.value.message == first.value.message


def test_threads_share_a_token(token: Pkcs11Token) -> None:
    key = _make(token, SigningAlgorithm.RS256)
    deadline = time.monotonic() + 30

    with ThreadPoolExecutor(4) as pool:
        signatures = set(pool.map(key.sign, [b"data"] * 40))

    assert len(signatures) == 1
    assert time.monotonic() < deadline


# What a key in a token does not do.


def test_a_key_in_a_token_signs_over_the_hash_that_it_is_for(token: Pkcs11Token) -> None:
    rsa_key: Any = _make(token, SigningAlgorithm.RS256).private_key
    token.destroy(_IDENTIFIER)
    ec_key: Any = _make(token, SigningAlgorithm.ES256).private_key

    with pytest.raises(ValueError, match="signs over SHA-256"):
        rsa_key.sign(b"data", padding.PKCS1v15(), hashes.SHA384())
    with pytest.raises(ValueError, match="hashes by itself"):
        ec_key.sign(bytes(32), ec.ECDSA(utils.Prehashed(hashes.SHA256())))


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.RS256, SigningAlgorithm.ES256])
def test_a_key_in_a_token_is_for_signatures_alone(
    token: Pkcs11Token, algorithm: SigningAlgorithm
) -> None:
    key: Any = _make(token, algorithm).private_key

    refused = ["private_numbers", "private_bytes"]
    refused.append("decrypt" if algorithm is SigningAlgorithm.RS256 else "exchange")

    for method in refused:
        with pytest.raises(TypeError, match="signs, and does nothing else"):
            getattr(key, method)()
    assert key.__copy__() is key.__deepcopy__({}) is key
    assert key.key_size == key.public_key().key_size
