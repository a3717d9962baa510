"""Starting the service from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from assay.cli.instant import read_instant
from assay.cli.render import print_json
from assay.errors import SettingsError

if TYPE_CHECKING:
    from assay.server.settings import Settings
    from assay.server.settings_reader import SettingsReading


def load_service(file: Path | None, flags: Mapping[str, object]) -> Settings:
    """The service's settings: the file, the environment, and the options that were given.

    Raises:
        SettingsError: They do not fit, or the web stack is not installed.
        RequestError: `verify_at` is no time.
    """
    _check_libraries()
    from assay.server.settings_reader import load_settings

    given = {
        name: str(value) if isinstance(value, Path) else value for name, value in flags.items()
    }
    if isinstance(verify_at := given.get("verify_at"), str):
        given["verify_at"] = read_instant(verify_at, "--verify-at").isoformat()
    return load_settings(file=file, flags=given)


def read_service(file: Path | None) -> SettingsReading:
    """The service's settings with where each came from, or with all that is wrong with them.

    Raises:
        SettingsError: The web stack is not installed.
    """
    _check_libraries()
    from assay.server.settings_reader import read_settings

    return read_settings(file=file)


def run_service(settings: Settings, *, as_json: bool) -> int:
    """Serve until told to stop; the process's exit code.

    Raises:
        SettingsError: The address cannot be had, or a setting names what is not there.
        StoreUnavailableError: The database cannot be used.
    """
    from assay.server.run import serve

    def announce(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            print(f"Assay serves at {url}")
        # Whoever started this reads a pipe, and must not wait for a full buffer.
        print(end="", flush=True)

    return serve(settings, announce=announce)


def _check_libraries() -> None:
    if find_spec("uvicorn") is None:
        raise SettingsError(
            "the service's libraries are not installed; install Assay with its extra `server`, as "
            "docs/server.md shows"
        )
