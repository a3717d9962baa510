"""Whether the service's files are there, as far as its user may look."""

from __future__ import annotations

from pathlib import Path

from assay.errors import SettingsError


def is_there(path: Path) -> bool:
    """Whether there is anything at `path`.

    Raises:
        SettingsError: That cannot be told: a folder on the way may not be searched.
    """
    try:
        return path.exists()
    except OSError as error:
        raise SettingsError(
            f"cannot look for {path}: {error.strerror}; run this as the service's user, and let "
            "that user search the folder"
        ) from error
