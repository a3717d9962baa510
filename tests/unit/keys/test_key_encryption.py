from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import SettingsError
from assay.keys import KeyEncryptionKey, load_key_encryption_key, parse_key_encryption_key

SECRET = bytes(range(200, 232))
KEY = KeyEncryptionKey(SECRET)


def _write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def _leaks(text: str, secret: bytes) -> bool:
    forms = (secret.hex(), base64.b64encode(secret).decode(), repr(secret)[2:-1])
    return any(form in text for form in forms)


@pytest.mark.property
@given(plaintext=st.binary(max_size=300), context=st.binary(max_size=40))
def test_open_returns_what_was_sealed(plaintext: bytes, context: bytes) -> None:
    sealed = KEY.seal(plaintext, context=context)

    assert KEY.open(sealed, context=context, what="thing") == plaintext


def test_sealing_twice_gives_different_bytes() -> None:
    assert KEY.seal(b"same", context=b"") != KEY.seal(b"same", context=b"")


def test_sealed_bytes_are_version_nonce_ciphertext_and_tag() -> None:
    sealed = KEY.seal(b"12345", context=b"")

    assert sealed.startswith(b"\x01")
    assert len(sealed) == 1 + 12 + 5 + 16


def test_open_refuses_every_changed_byte() -> None:
    sealed = KEY.seal(b"plaintext", context=b"context")

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SettingsError):
            KEY.open(bytes(changed), context=b"context", what="thing")


def test_open_refuses_another_context() -> None:
    sealed = KEY.seal(b"plaintext", context=b"one")

    with pytest.raises(SettingsError, match="did not seal it"):
        KEY.open(sealed, context=b"two", what="thing")


def test_open_refuses_another_key() -> None:
    sealed = KEY.seal(b"plaintext", context=b"")

    with pytest.raises(SettingsError, match="signing key X: this key-encryption key did not seal"):
        KeyEncryptionKey(bytes(32)).open(sealed, context=b"", what="signing key X")


@pytest.mark.parametrize("sealed", [b"", b"\x01" * 28, b"\x02" * 60])
def test_open_refuses_what_was_never_sealed(sealed: bytes) -> None:
    with pytest.raises(SettingsError, match="restore the database"):
        KEY.open(sealed, context=b"", what="thing")


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(SettingsError, match=f"needs 32 bytes, got {size}"):
        KeyEncryptionKey(bytes(size))


def test_the_secret_is_not_shown() -> None:
    assert repr(KEY) == "KeyEncryptionKey()"


@pytest.mark.parametrize(
    "content",
    [
        SECRET,
        base64.b64encode(SECRET),
        base64.b64encode(SECRET) + b"\n",
        base64.urlsafe_b64encode(SECRET).rstrip(b"="),
    ],
    ids=["raw", "base64", "base64-with-newline", "base64url"],
)
def test_load_reads_raw_bytes_and_base64(content: bytes, tmp_path: Path) -> None:
    path = _write(tmp_path / "kek", content)

    assert load_key_encryption_key(path) == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o644])
def test_load_refuses_a_file_open_to_others(mode: int, tmp_path: Path) -> None:
    path = _write(tmp_path / "kek", SECRET, mode)

    with pytest.raises(SettingsError, match=f"got mode {mode:04o}; run `chmod 600"):
        load_key_encryption_key(path)


def test_load_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read it: No such file"):
        load_key_encryption_key(tmp_path / "kek")


def test_load_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="need a regular file"):
        load_key_encryption_key(tmp_path)


def test_load_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kek", 0o600)

    with pytest.raises(SettingsError, match="need a regular file"):
        load_key_encryption_key(tmp_path / "kek")


def test_load_refuses_a_large_file(tmp_path: Path) -> None:
    path = _write(tmp_path / "kek", b"A" * 1025)

    with pytest.raises(SettingsError, match="at most 1024 bytes"):
        load_key_encryption_key(path)


@pytest.mark.parametrize(
    "content", [b"correct horse battery staple 123", b"31-characters-and-a-line-break.\n"]
)
def test_load_refuses_a_passphrase(content: bytes, tmp_path: Path) -> None:
    path = _write(tmp_path / "kek", content)

    with pytest.raises(SettingsError, match="look like a passphrase") as raised:
        load_key_encryption_key(path)

    assert content.decode().strip() not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"not base64!", b"\xff\xfe" * 20, base64.b64encode(SECRET[:31]), SECRET.hex().encode()],
    ids=["empty", "text", "binary", "short", "hex"],
)
def test_load_refuses_other_content_without_showing_it(content: bytes, tmp_path: Path) -> None:
    path = _write(tmp_path / "kek", content)

    with pytest.raises(SettingsError, match="need base64 of 32 bytes") as raised:
        load_key_encryption_key(path)

    assert raised.value.__cause__ is None
    assert not content or content.decode("latin-1") not in str(raised.value)


def test_parse_reads_the_value_of_a_variable() -> None:
    text = f" {base64.b64encode(SECRET).decode()}\n"

    assert parse_key_encryption_key(text, source="ASSAY_KEY") == KEY


@pytest.mark.parametrize("text", ["", "no", "ü" * 43, "\udc80", "A" * 32])
def test_parse_names_the_variable_and_shows_no_value(text: str) -> None:
    with pytest.raises(SettingsError, match="key-encryption key ASSAY_KEY: need base64") as raised:
        parse_key_encryption_key(text, source="ASSAY_KEY")

    assert len(text) < 3 or text not in str(raised.value)


def test_no_error_shows_a_secret() -> None:
    secret = secrets.token_bytes(32)
    sealed = KeyEncryptionKey(secret).seal(secret, context=b"")

    with pytest.raises(SettingsError) as raised:
        KeyEncryptionKey(secret).open(sealed, context=b"other", what="thing")

    assert not _leaks(repr(raised.value) + str(raised.value.__cause__), secret)
