from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from assay.server.assembly import open_chest
from assay.server.settings import Settings
from assay.server.settings_reader import SettingsReading, load_settings, read_settings

Load = Callable[..., Settings]
Read = Callable[..., SettingsReading]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Settings with their data in a folder of the test."""

    def find(**flags: object) -> Settings:
        return load_settings(environment={}, flags=_flags(tmp_path, flags))

    return find


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The same with where they come from, or with their problems."""

    def find(file: Path | None = None, **flags: object) -> SettingsReading:
        return read_settings(file=file, environment={}, flags=_flags(tmp_path, flags))

    return find


def _flags(folder: Path, flags: Mapping[str, object]) -> dict[str, object]:
    named = {name.replace("__", "."): value for name, value in flags.items()}
    return {"data_dir": str(folder / "data"), "port": 0, **named}


def make_store(settings: Settings) -> None:
    """The database and the key of settings, as a first start makes them."""
    with open_chest(settings):
        """Opening makes them."""
