"""Secrets in files: read only where nobody but the service can read them.

Source: systemd.exec(5), "Credentials", for `CREDENTIALS_DIRECTORY`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from assay.errors import SettingsError

_MAX_FILE_BYTES: Final = 1024
"""Base64 of 32 bytes, or a PIN, with generous white space; anything longer is another file."""

_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"


def read_private_file(
    path: Path, what: str, *, environment: Mapping[str, str] = os.environ
) -> bytes:
    """The content of a file that only its owner may use, or of a credential that systemd passes.

    Args:
        path: The file.
        what: The secret's name, for the error.
        environment: Where systemd says in which folder its credentials are.

    Raises:
        SettingsError: It cannot be read, is open to group or others, or too long.
    """
    try:
        # Not blocking, so that a pipe in its place cannot hold up the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SettingsError(f"{what} {path}: cannot read it: {error.strerror}") from error
    try:
        # The open file is asked, not the path, which may name another one by now.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise SettingsError(f"{what} {path}: need a regular file, got another kind")
        if mode & _open_to_others(path, environment):
            raise SettingsError(
                f"{what} {path}: need a file that only its owner may use, got mode "
                f"{stat.S_IMODE(mode):04o}; run `chmod 600 {path}`"
            )
        content = os.read(descriptor, _MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MAX_FILE_BYTES:
        raise SettingsError(f"{what} {path}: need at most {_MAX_FILE_BYTES} bytes, got more")
    return content


def _open_to_others(path: Path, environment: Mapping[str, str]) -> int:
    folder = environment.get(_CREDENTIALS)
    if folder and path.parent == Path(folder):
        # systemd lets the service's user in by an access list, which shows as the group's right.
        return stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP
    return stat.S_IRWXG | stat.S_IRWXO
