"""Settings as an operator may see them: what holds, where it came from, and no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from assay.encoding import JsonValue, without_credentials
from assay.server.settings import Origin, Settings
from assay.server.settings_reader import SECRETS, SettingsReading, setting_types
from assay.store import without_password

HIDDEN: Final = "(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSetting:
    """One setting."""

    name: str
    value: JsonValue
    """What holds, also where that is derived from other settings; nothing where nothing does."""

    origin: Origin
    place: str
    """For people: a line of a file, a variable, or that it is the default."""


def shown_settings(reading: SettingsReading, settings: Settings) -> tuple[ShownSetting, ...]:
    """Every setting in the order of the tables, with its origin."""
    document = _document(settings)
    return tuple(_shown(name, document, reading) for name in setting_types())


def _shown(name: str, document: Mapping[str, Any], reading: SettingsReading) -> ShownSetting:
    given = reading.given.get(name)
    value: Any = document
    for part in name.split("."):
        value = value[part]
    return ShownSetting(
        name=name,
        value=HIDDEN if given is not None and name in SECRETS else _open_part(value),
        origin=Origin.DEFAULT if given is None else given.origin,
        place=Origin.DEFAULT.value if given is None else given.place,
    )


def _document(settings: Settings) -> dict[str, Any]:
    # A secret is taken out, not hidden afterwards: it gets into nothing that could be shown.
    open_part = msgspec.structs.replace(
        settings,
        key_encryption_key=None,
        pkcs11=msgspec.structs.replace(settings.pkcs11, pin=None),
        origins={},
    )
    document: dict[str, Any] = msgspec.to_builtins(open_part, order="sorted", enc_hook=_text)
    document["database"] = without_password(settings.database_url())
    file = settings.key_file()
    document["key_encryption_key_file"] = None if file is None else str(file)
    if settings.port:
        document["instance"]["public_url"] = settings.issuer(settings.port)
    return document


def _text(value: object) -> str:
    # Paths are the only values of a type that is not built in.
    assert isinstance(value, Path)  # noqa: S101  whatever else there will be is not shown unasked
    return str(value)


def _open_part(value: Any) -> JsonValue:  # noqa: ANN401  any setting's value
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, list | tuple):
        return [_open_part(one) for one in value]
    if isinstance(value, dict):
        return {name: _open_part(one) for name, one in value.items()}
    shown: JsonValue = value
    return shown
