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
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from assay.errors import SettingsError
from assay.keys import TokenPin, parse_key_encryption_key
from assay.server.settings import Origin, Settings, default_data_dir
from assay.server.settings_check import settings_problems
from assay.server.settings_lines import flatten, setting_lines

PREFIX: Final = "ASSAY_"
SETTINGS_VARIABLE: Final = "ASSAY_SETTINGS"
"""Names the settings file, where no flag does."""

# The variables of the command line and of the tests.
_NOT_SETTINGS: Final = frozenset(
    {SETTINGS_VARIABLE, "ASSAY_COLLATERAL", "ASSAY_DEBUG", "ASSAY_URL", "ASSAY_VECTORS"}
)
SECRETS: Final[Mapping[str, Callable[[str, str], object]]] = {
    "key_encryption_key": lambda text, source: parse_key_encryption_key(text, source=source),
    "pkcs11.pin": lambda text, _source: TokenPin(text),
}
"""What is shown nowhere and may stand in the environment only, and how it is read there."""

_MAY_HOLD_SECRETS: Final = frozenset({"database", "collateral.url"})
"""What may hold a password where it is not as it should be."""

_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenValue:
    """One value as it was given, and where."""

    name: str
    """Dotted, as in `instance.public_url`."""

    value: Any = field(repr=False)
    """As it was given; it may be a secret."""

    origin: Origin
    place: str
    """For people: a line of a file, a variable, the command line."""

    folder: Path = Path()
    """What a relative path starts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReading:
    """What came of reading settings: them, or what is wrong with them."""

    file: Path | None
    """The settings file, if there is one."""

    given: Mapping[str, GivenValue]
    """What was given, by dotted name."""

    settings: Settings | None
    """Nothing where there are problems."""

    problems: tuple[SettingsError, ...]
    """All that can be told at once; whether values go together, where each is in order."""


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
    reading = read_settings(file=file, environment=environment, flags=flags)
    if reading.settings is None:
        raise reading.problems[0]
    return reading.settings


def read_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    flags: Mapping[str, object] = MappingProxyType({}),
) -> SettingsReading:
    """The same with every problem instead of the first one, and with what was given where."""
    if file is None and environment.get(SETTINGS_VARIABLE):
        file = Path(environment[SETTINGS_VARIABLE])
    given: dict[str, GivenValue] = {}
    converted: dict[str, Any] = {}
    problems: list[SettingsError] = []
    for found in (*_file_values(file), *_environment_values(environment), *_flag_values(flags)):
        if isinstance(found, SettingsError):
            problems.append(found)
        else:
            given[found.name] = found
    for name, value in given.items():
        try:
            converted[name] = _convert(value)
        except SettingsError as error:
            problems.append(error)
    settings = None
    if not problems:
        settings = _settings(converted, {name: value.origin for name, value in given.items()})
        problems += settings_problems(settings)
    return SettingsReading(
        file=file,
        given=given,
        settings=None if problems else settings,
        problems=tuple(problems),
    )


def _settings(converted: dict[str, Any], origins: dict[str, Origin]) -> Settings:
    if converted.get("dev"):
        converted.setdefault("data_dir", default_data_dir(dev=True))
    settings: Settings = _assemble(Settings, "", converted, origins=origins)
    return settings


def setting_types() -> dict[str, Any]:
    """Every setting by its dotted name, with its type."""
    return dict(_leaves(Settings, ""))


def variable_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper().replace(".", "_")


def _leaves(struct: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, Any]]:
    for member in msgspec.structs.fields(struct):
        if member.name == "origins":
            continue
        name = prefix + member.encode_name
        if isinstance(member.type, type) and issubclass(member.type, msgspec.Struct):
            yield from _leaves(member.type, f"{name}.")
        else:
            yield name, member.type


_TYPES: Final = setting_types()
_VARIABLES: Final = {variable_name(name): name for name in _TYPES}


def _file_values(file: Path | None) -> Iterator[GivenValue | SettingsError]:
    if file is None:
        return
    try:
        text = file.read_bytes().decode("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        yield SettingsError(f"settings file {file}: cannot read it: {error.strerror}")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        yield SettingsError(f"settings file {file}: not valid TOML: {error}")
        return
    lines = setting_lines(text)
    for name, value in flatten(document):
        place = f"settings file {file}, line {lines[name]}" if name in lines else str(file)
        if name not in _TYPES:
            yield _unknown(place, name, _TYPES)
        elif name in SECRETS:
            yield SettingsError(
                f"{place}: {name} may not stand in a file that others read; set "
                f"{variable_name(name)}, or name a file of mode 0600 in {name}_file"
            )
        else:
            yield GivenValue(
                name=name, value=value, origin=Origin.FILE, place=place, folder=file.parent
            )


def _environment_values(environment: Mapping[str, str]) -> Iterator[GivenValue | SettingsError]:
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS:
            continue
        if variable not in _VARIABLES:
            yield _unknown("environment", variable, _VARIABLES)
            continue
        yield GivenValue(
            name=_VARIABLES[variable],
            value=text,
            origin=Origin.ENVIRONMENT,
            place=f"environment variable {variable}",
        )


def _flag_values(flags: Mapping[str, object]) -> Iterator[GivenValue | SettingsError]:
    for name, value in flags.items():
        if name in _TYPES:
            yield GivenValue(name=name, value=value, origin=Origin.FLAG, place="command line")
        else:
            yield _unknown("flags", name, _TYPES)


def _unknown(where: str, name: str, known: Mapping[str, Any]) -> SettingsError:
    close = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean {close[0]!r}?" if close else "docs/server.md lists them all"
    return SettingsError(f"{where}: there is no setting {name!r}; {advice}")


def _convert(given: GivenValue) -> Any:  # noqa: ANN401  any setting's type
    value = given.value
    if given.name in SECRETS:
        return SECRETS[given.name](str(value), variable_name(given.name))
    wanted = _TYPES[given.name]
    loose = isinstance(value, str) and given.origin is not Origin.FILE
    if loose and _is_list(wanted):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(
            value, wanted, strict=not loose, dec_hook=lambda _kind, raw: _path(raw, given.folder)
        )
    except msgspec.ValidationError as error:
        may_be_shown = given.name not in _MAY_HOLD_SECRETS
        shown = repr(value)[:_SHOWN_CHARACTERS] if may_be_shown else "the value that is given"
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
    for member in msgspec.structs.fields(struct):
        name = prefix + member.encode_name
        if isinstance(member.type, type) and issubclass(member.type, msgspec.Struct):
            chosen[member.name] = _assemble(member.type, f"{name}.", values)
        elif name in values:
            chosen[member.name] = values[name]
    return struct(**chosen)
