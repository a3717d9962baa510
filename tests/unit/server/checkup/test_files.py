from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from assay.errors import SettingsError
from assay.server.checkup.files import check_disk, check_modes, check_owner, guarded_files
from assay.server.settings import Pkcs11Settings
from assay.service.checkup import CheckSkippedError
from tests.unit.server.checkup.conftest import Load, Read, make_store


@pytest.mark.parametrize(
    ("name", "mode", "fix"),
    [
        ("data", 0o702, "chmod go-w"),
        ("data/assay.sqlite3", 0o604, "chmod 600"),
        ("data/key-encryption.key", 0o640, "chmod 600"),
        ("pin", 0o640, "chmod 600"),
        ("tls.key", 0o644, "chmod 640"),
        ("assay.toml", 0o620, "chmod go-w"),
    ],
)
def test_what_others_may_do_is_found_with_the_command_that_ends_it(
    name: str, mode: int, fix: str, read: Read, tmp_path: Path
) -> None:
    file, tls_key = tmp_path / "assay.toml", tmp_path / "tls.key"
    for path, private in ((file, 0o640), (tls_key, 0o640), (tmp_path / "pin", 0o600)):
        path.touch(mode=private)
    token = {"pkcs11__module": "m", "pkcs11__token": "t", "pkcs11__pin_file": str(tmp_path / "pin")}
    reading = read(file, tls__key=str(tls_key), tls__certificate="tls.pem", **token)
    assert reading.settings is not None
    make_store(msgspec.structs.replace(reading.settings, pkcs11=Pkcs11Settings()))
    files = guarded_files(reading, reading.settings)
    assert check_modes(files) == "6 files and folders are closed to others"

    (tmp_path / name).chmod(mode)

    with pytest.raises(SettingsError) as caught:
        check_modes(files)
    assert caught.value.message == (
        f"{tmp_path / name} has mode {mode:04o}; run `{fix} {tmp_path / name}`"
    )


@pytest.mark.parametrize(("password", "in_order"), [("", True), (":hunter2", False)])
def test_settings_with_a_password_are_not_for_everybody_to_read(
    password: str, read: Read, tmp_path: Path, *, in_order: bool
) -> None:
    file = tmp_path / "assay.toml"
    file.write_text(f'database = "postgresql://assay{password}@db/assay"\n')
    file.chmod(0o644)
    reading = read(file, instance__public_url="https://a.example")
    assert reading.settings is not None
    files = guarded_files(reading, reading.settings)

    if in_order:
        assert check_modes(files)
    else:
        with pytest.raises(SettingsError, match=r"has mode 0644; run `chmod 640"):
            check_modes(files)


def test_a_key_in_the_environment_is_no_file(read: Read) -> None:
    reading = read(key_encryption_key="A" * 43 + "=")
    assert reading.settings is not None

    paths = [file.path.name for file in guarded_files(reading, reading.settings)]

    assert paths == ["data", "assay.sqlite3", "assay.sqlite3-wal", "assay.sqlite3-shm"]


def test_data_of_another_user_is_told_with_how_to_become_them(load: Load) -> None:
    settings = load()
    make_store(settings)
    own = os.geteuid()

    assert "belongs to the user that this runs as" in check_owner(settings, user=own)
    with pytest.raises(SettingsError, match=f"belongs to user {own}, and .*--reuid {own} "):
        check_owner(settings, user=own + 1)


def test_data_that_is_not_there_yet_belongs_to_nobody(load: Load) -> None:
    with pytest.raises(CheckSkippedError, match="the first start makes it"):
        check_owner(load(), user=0)


def test_room_is_measured_where_the_database_is(load: Load) -> None:
    settings = load()
    make_store(settings)

    assert f"MiB are free at {settings.data_dir}" in check_disk(settings)


def test_a_volume_without_room_is_told(load: Load) -> None:
    # A file system of the kernel's own, which has no room at all.
    settings = load(database="sqlite:////proc/assay.sqlite3")

    with pytest.raises(SettingsError, match="0 MiB are free at /proc, and 128 are wanted; free"):
        check_disk(settings)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://assay@db/assay", "has a disk of its own"),
        ("sqlite:////nowhere/assay.sqlite3", "there is no folder /nowhere yet"),
    ],
)
def test_a_disk_that_is_not_here_is_not_measured(url: str, expected: str, load: Load) -> None:
    settings = load(database=url, instance__public_url="https://a.example")

    with pytest.raises(CheckSkippedError, match=expected):
        check_disk(settings)
