"""From a file, the environment and flags to settings: checked, and each with its origin.

Whatever is not known stops the start. A setting that is spelled wrong would otherwise be a
setting that is silently not there.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from assay.errors import SettingsError
from assay.keys import TokenPin, parse_key_encryption_key
from assay.server.settings import Origin, Settings, default_data_dir
from assay.server.settings_check import check_settings

PREFIX: Final = "ASSAY_"
SETTINGS_VARIABLE: Final = "ASSAY_SETTINGS"
"""Names the settings file, where no flag does."""

# The variables of the command line and of the tests.
_NOT_SETTINGS: Final = frozenset(
    {SETTINGS_VARIABLE, "ASSAY_COLLATERAL", "ASSAY_DEBUG", "ASSAY_URL", "ASSAY_VECTORS"}
)
_SECRETS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "key_encryption_key": lambda text, source: parse_key_encryption_key(text, source=source),
    "pkcs11.pin": lambda text, _source: TokenPin(text),
}
"""What may stand in the environment only, and how it is read there."""
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """One value as it was given, and where."""

    name: str
    """Dotted, as in `instance.public_url`."""

    value: Any
    origin: Origin
    place: str
    """For people: a file, a variable, the command line."""

    folder: Path = Path()
    """What a relative path starts from."""


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    flags: Mapping[str, object] = MappingProxyType({}),
) -> Settings:
    """The settings of a server. Flags outrank the environment, which outranks the file.

    Args:
        file: In TOML. Where not given, the variable `ASSAY_SETTINGS` may name one.
        environment: Variables; those that start with `ASSAY_` are settings.
        flags: By dotted name.

    Raises:
        SettingsError: The file cannot be read, a name is unknown, a value is not of its type, or
            values do not go together. Says what, where, and what to do.
    """
    if file is None and environment.get(SETTINGS_VARIABLE):
        file = Path(environment[SETTINGS_VARIABLE])
    values = {
        value.name: value
        for source in (_file_values(file), _environment_values(environment), _flag_values(flags))
        for value in source
    }
    converted = {name: _convert(value) for name, value in values.items()}
    if converted.get("dev"):
        converted.setdefault("data_dir", default_data_dir(dev=True))
    origins = {name: value.origin for name, value in values.items()}
    settings: Settings = _assemble(Settings, "", converted, origins=origins)
    check_settings(settings)
    return settings


def setting_types() -> dict[str, Any]:
    """Every setting by its dotted name, with its type."""
    return dict(_leaves(Settings, ""))


def variable_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper().replace(".", "_")


def _leaves(struct: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, Any]]:
    for field in msgspec.structs.fields(struct):
        if field.name == "origins":
            continue
        name = prefix + field.encode_name
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _leaves(field.type, f"{name}.")
        else:
            yield name, field.type


_TYPES: Final = setting_types()
_VARIABLES: Final = {variable_name(name): name for name in _TYPES}


def _file_values(file: Path | None) -> Iterator[_Value]:
    if file is None:
        return
    try:
        with file.open("rb") as stream:
            document = tomllib.load(stream)
    except OSError as error:
        raise SettingsError(f"settings file {file}: cannot read it: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {file}: not valid TOML: {error}") from error
    for name, value in _flatten(document, ""):
        if name not in _TYPES:
            raise _unknown(f"settings file {file}", name, _TYPES)
        if name in _SECRETS:
            raise SettingsError(
                f"settings file {file}: {name} may not stand in a file that others read; set "
                f"{variable_name(name)}, or name a file of mode 0600 in {name}_file"
            )
        yield _Value(
            name=name, value=value, origin=Origin.FILE, place=str(file), folder=file.parent
        )


def _flatten(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _environment_values(environment: Mapping[str, str]) -> Iterator[_Value]:
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS:
            continue
        if variable not in _VARIABLES:
            raise _unknown("environment", variable, _VARIABLES)
        yield _Value(
            name=_VARIABLES[variable],
            value=text,
            origin=Origin.ENVIRONMENT,
            place=f"environment variable {variable}",
        )


def _flag_values(flags: Mapping[str, object]) -> Iterator[_Value]:
    for name, value in flags.items():
        if name not in _TYPES:
            raise _unknown("flags", name, _TYPES)
        yield _Value(name=name, value=value, origin=Origin.FLAG, place="command line")


def _unknown(where: str, name: str, known: Mapping[str, Any]) -> SettingsError:
    close = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else "docs/server.md lists them all"
    return SettingsError(f"{where}: there is no setting {name!r}; {advice}")


def _convert(given: _Value) -> Any:  # noqa: ANN401  any setting's type
    value = given.value
    if given.name in _SECRETS:
        return _SECRETS[given.name](str(value), variable_name(given.name))
    wanted = _TYPES[given.name]
    loose = isinstance(value, str) and given.origin is not Origin.FILE
    if loose and _is_list(wanted):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(
            value, wanted, strict=not loose, dec_hook=lambda _kind, raw: _path(raw, given.folder)
        )
    except msgspec.ValidationError as error:
        shown = repr(value)[:_SHOWN_CHARACTERS]
        # The cause names only a place inside this one value.
        reason = re.sub(r" - at `\$.*`", "", str(error))
        raise SettingsError(
            f"{given.place}: {given.name} cannot be {shown}: {reason[:1].lower()}{reason[1:]}"
            f"{_choices(wanted)}"
        ) from None


def _is_list(wanted: Any) -> bool:  # noqa: ANN401  a type
    return getattr(wanted, "__origin__", None) in {frozenset, tuple}


def _choices(wanted: Any) -> str:  # noqa: ANN401  a type
    for kind in (wanted, *getattr(wanted, "__args__", ())):
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return f"; there are {', '.join(kind)}"
    return ""


def _path(raw: object, folder: Path) -> Path:
    # Paths are the only settings of a type that is not built in.
    if not isinstance(raw, str | Path):
        raise msgspec.ValidationError("Expected text")
    return folder / Path(raw).expanduser()


def _assemble(
    struct: type[msgspec.Struct],
    prefix: str,
    values: Mapping[str, Any],
    **more: Any,  # noqa: ANN401  fields that are no settings
) -> Any:  # noqa: ANN401  an instance of `struct`
    chosen: dict[str, Any] = dict(more)
    for field in msgspec.structs.fields(struct):
        name = prefix + field.encode_name
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            chosen[field.name] = _assemble(field.type, f"{name}.", values)
        elif name in values:
            chosen[field.name] = values[name]
    return struct(**chosen)
