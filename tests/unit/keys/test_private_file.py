from __future__ import annotations

import os
from pathlib import Path

import pytest

from assay.errors import SettingsError
from assay.keys import TokenPin, load_token_pin, read_private_file


def _file(folder: Path, content: bytes = b"1234\n", mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_a_file_of_its_owner_is_read(tmp_path: Path) -> None:
    assert read_private_file(_file(tmp_path), "PIN", environment={}) == b"1234\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_file_of_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match="only its owner may use"):
        read_private_file(_file(tmp_path, mode=mode), "PIN", environment={})


def test_a_credential_of_systemd_is_readable_for_its_group(tmp_path: Path) -> None:
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    assert read_private_file(_file(tmp_path, mode=0o440), "PIN", environment=credentials)


@pytest.mark.parametrize("mode", [0o404, 0o460])
def test_a_credential_that_all_can_read_or_its_group_can_write_is_refused(
    tmp_path: Path, mode: int
) -> None:
    credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    with pytest.raises(SettingsError, match="only its owner may use"):
        read_private_file(_file(tmp_path, mode=mode), "PIN", environment=credentials)


@pytest.mark.parametrize("folder", ["", "elsewhere"])
def test_what_is_not_in_the_folder_of_credentials_is_none(tmp_path: Path, folder: str) -> None:
    credentials = {"CREDENTIALS_DIRECTORY": folder and str(tmp_path / folder)}

    with pytest.raises(SettingsError, match="only its owner may use"):
        read_private_file(_file(tmp_path, mode=0o440), "PIN", environment=credentials)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read it: No such file"):
        read_private_file(tmp_path / "none", "PIN")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SettingsError, match="need a regular file"):
        read_private_file(tmp_path / "pipe", "PIN")
    with pytest.raises(SettingsError, match="at most 1024 bytes"):
        read_private_file(_file(tmp_path, bytes(1025)), "PIN")


def test_a_pin_is_text_without_the_white_space_around_it(tmp_path: Path) -> None:
    pin = load_token_pin(_file(tmp_path))

    assert pin == TokenPin("1234")
    assert "1234" not in repr(pin)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_a_file_without_a_pin_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SettingsError, match="need text, got none"):
        load_token_pin(_file(tmp_path, content))
