"""The service's files: whose they are, who else may use them, and whether there is room."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assay.errors import SettingsError
from assay.server.presence import is_there
from assay.server.settings import Settings
from assay.server.settings_reader import SettingsReading
from assay.service.checkup import CheckSkippedError, refuse_problems
from assay.store import sqlite_file, without_password

_MIB: Final = 1024 * 1024
_MIN_FREE_BYTES: Final = 128 * _MIB
"""Weeks of changes; what an upgrade or a checkpoint needs at once is far less."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_ALL_BUT_GROUP_READING: Final = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
_WRITING: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedFile:
    """A file, and what others than its owner may not do with it."""

    path: Path
    forbidden: int
    """Bits of its mode."""

    mode: str
    """What to set instead, for `chmod`."""


def guarded_files(reading: SettingsReading, settings: Settings) -> tuple[GuardedFile, ...]:
    """Every file and folder of the settings that others must not write to, or not read."""
    return tuple(_guarded(reading, settings))


def check_modes(files: tuple[GuardedFile, ...]) -> str:
    """Check that nobody else may do what is forbidden.

    Raises:
        SettingsError: Somebody may; names the commands that end it.
    """
    there = [file for file in files if is_there(file.path)]
    open_files = [file for file in there if file.path.stat().st_mode & file.forbidden]
    if open_files:
        commands = " && ".join(f"chmod {file.mode} {file.path}" for file in open_files)
        refuse_problems(
            (
                f"{file.path} has mode {stat.S_IMODE(file.path.stat().st_mode):04o}"
                for file in open_files
            ),
            remedy=f"run `{commands}`",
        )
    return f"{len(there)} files and folders are closed to others"


def check_owner(settings: Settings, *, user: int) -> str:
    """Check that a user is the one whose data it is.

    Args:
        settings: Name the data.
        user: As whom this runs.

    Raises:
        SettingsError: It does not, so that nothing that it finds tells of that user.
        CheckSkippedError: There is no data yet.
    """
    folder = settings.data_dir
    if not is_there(folder):
        raise CheckSkippedError(
            f"there is no data directory {folder} yet; the first start makes it"
        )
    owner = folder.stat().st_uid
    if owner != user:
        raise SettingsError(
            f"{folder} belongs to user {owner}, and this runs as user {user}; run it as the "
            f"service's user, as with `setpriv --reuid {owner} --clear-groups assay doctor`"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{folder} cannot be written to; make it writable for the service's user, or mount "
            "its file system for writing"
        )
    return f"{folder} belongs to the user that this runs as, who may write to it"


def check_disk(settings: Settings) -> str:
    """Check that there is room where the database is.

    Raises:
        SettingsError: There is too little.
        CheckSkippedError: The database is not on this machine, or nothing is there yet.
    """
    file = sqlite_file(settings.database_url())
    if file is None:
        raise CheckSkippedError("the database server has a disk of its own: look there")
    if not is_there(file.parent):
        raise CheckSkippedError(f"there is no folder {file.parent} yet")
    free = shutil.disk_usage(file.parent).free
    if free < _MIN_FREE_BYTES:
        raise SettingsError(
            f"{free // _MIB} MiB are free at {file.parent}, and {_MIN_FREE_BYTES // _MIB} are "
            "wanted; free space or enlarge the volume"
        )
    return f"{free // _MIB} MiB are free at {file.parent}"


def _guarded(reading: SettingsReading, settings: Settings) -> Iterator[GuardedFile]:
    yield GuardedFile(path=settings.data_dir, forbidden=_WRITING, mode="go-w")
    database = sqlite_file(settings.database_url())
    if database is not None:
        for ending in ("", "-wal", "-shm"):
            path = database.with_name(database.name + ending)
            yield GuardedFile(path=path, forbidden=_OTHERS, mode="600")
    for secret_file in (settings.key_file(), settings.pkcs11.pin_file):
        if secret_file is not None:
            yield GuardedFile(path=secret_file, forbidden=_OTHERS, mode="600")
    if settings.tls.key is not None:
        yield GuardedFile(path=settings.tls.key, forbidden=_ALL_BUT_GROUP_READING, mode="640")
    if reading.file is not None:
        url = settings.database
        secret = url is not None and without_password(url) != url
        forbidden, mode = (_ALL_BUT_GROUP_READING, "640") if secret else (_WRITING, "go-w")
        yield GuardedFile(path=reading.file, forbidden=forbidden, mode=mode)
