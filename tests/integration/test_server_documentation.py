"""`docs/server.md` against the service: its settings, examples, log, metrics, units."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec.inspect as mi
import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.cli.exit_code import ExitCode
from assay.server.app import create_app
from assay.server.settings import Settings, default_data_dir
from assay.server.settings_reader import load_settings, setting_types, variable_name
from tests.documentation import blocks, follow, read_page, rows, section
from tests.serving import VERSION, call, make_services, make_telemetry, sgx_request

_PAGE: Final = read_page("server.md")
_TABLES: Final = (
    "The process",
    "The instance",
    "Keys",
    "Collateral",
    "Limits",
    "TLS",
    "Authentication",
    "The management plane",
)
_WORDED_TYPES: Final = {
    "key_encryption_key": "base64 of 32 bytes",
    "keys.evidence_command": "list of texts",
    "pkcs11.pin": "text",
    "collateral.evaluation": "`standard`, `early` or a number",
    "management.locations": "list of text",
    "auth.issuers": "list of tables",
    "auth.client_certificates.grants": "list of tables",
}
"""Types for which the page has words of its own."""


def _documented() -> dict[str, tuple[str, str]]:
    """Type and default of each setting, as the page has them."""
    found = {}
    for heading in _TABLES:
        for name, kind, default, meaning in rows(section(_PAGE, heading)):
            assert meaning
            assert name.strip("`") not in found
            found[name.strip("`")] = (kind, default)
    return found


def _fields(struct: mi.StructType, prefix: str = "") -> Iterator[tuple[str, mi.Field]]:
    for field in struct.fields:
        if isinstance(field.type, mi.StructType):
            yield from _fields(field.type, f"{prefix}{field.encode_name}.")
        elif field.name != "origins":
            yield prefix + field.encode_name, field


def _settings() -> dict[str, mi.Field]:
    described = mi.type_info(Settings)
    assert isinstance(described, mi.StructType)
    return dict(_fields(described))


def _choices(kind: Any) -> str:  # noqa: ANN401  an enumeration's description
    return ", ".join(f"`{choice}`" for choice in kind.cls)


def _number(kind: Any) -> str:  # noqa: ANN401  a number's description
    return f"number, up to {kind.le}" if kind.ge is None else f"number, {kind.ge} to {kind.le}"


_WORDS: Final[dict[type[mi.Type], Callable[[Any], str]]] = {
    mi.BoolType: lambda _kind: "true or false",
    mi.IntType: lambda kind: f"{kind.ge} to {kind.le}",
    mi.FloatType: _number,
    mi.StrType: lambda _kind: "text",
    mi.DateTimeType: lambda _kind: "instant",
    mi.EnumType: _choices,
    mi.FrozenSetType: lambda kind: f"list of {_choices(kind.item_type)}",
    mi.VarTupleType: lambda _kind: "list of paths",
    mi.CustomType: lambda kind: kind.cls.__name__.lower(),
}


def _type(kind: mi.Type) -> str:
    if isinstance(kind, mi.UnionType):
        [kind] = [one for one in kind.types if not isinstance(one, mi.NoneType)]
    return _WORDS[type(kind)](kind)


def _default(field: mi.Field) -> str | None:
    """The default, or nothing where the page says in words what takes its place."""
    value: Any = field.default
    if field.default_factory is default_data_dir:
        return f"`{default_data_dir({})}`".replace(str(Path.home()), "~")
    if value is None:
        return None
    if isinstance(value, frozenset):
        kind = type(next(iter(value)))
        assert issubclass(kind, StrEnum)
        return ", ".join(f"`{choice}`" for choice in kind if choice in value)
    if value == ():
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_every_setting_is_on_the_page_and_nothing_else() -> None:
    assert set(_documented()) == set(setting_types())


@pytest.mark.parametrize("name", sorted(setting_types()))
def test_the_page_has_the_type_and_the_default_of(name: str) -> None:
    field = _settings()[name]

    kind, default = _documented()[name]

    assert kind == (_WORDED_TYPES.get(name) or _type(field.type))
    expected = _default(field)
    if expected is None:
        assert default
    else:
        assert default == expected


def test_every_variable_that_the_page_names_is_one() -> None:
    known = {variable_name(name) for name in setting_types()}
    others = {"ASSAY_SETTINGS", "ASSAY_COLLATERAL", "ASSAY_URL", "ASSAY_DEBUG"}

    named = set(re.findall(r"`(ASSAY_[A-Z0-9_]+[A-Z0-9])", _PAGE))

    assert named <= known | others
    assert named >= others


def test_the_settings_of_several_servers_load(tmp_path: Path) -> None:
    _, text = blocks(_PAGE, "toml")
    file = tmp_path / "assay.toml"
    file.write_text(text)

    assert load_settings(file=file, environment={}).replicas == 2


def test_the_settings_file_of_the_page_loads(tmp_path: Path) -> None:
    text, _ = blocks(_PAGE, "toml")
    file = tmp_path / "assay.toml"
    file.write_text(text)

    settings = load_settings(file=file, environment={})

    assert settings.issuer(settings.port) == settings.instance.public_url
    assert settings.tls.certificate == tmp_path / "tls.pem"
    assert len(settings.origins) == len(re.findall(r"^\w+ = ", text, re.MULTILINE))


def test_every_example_of_the_page_gives_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    follow(_PAGE, tmp_path)


def test_a_refusal_is_logged_as_the_page_says() -> None:
    [documented] = [json.loads(block) for block in blocks(_PAGE, "json")]
    telemetry, log = make_telemetry()
    body = sgx_request()
    body["quote"] = _with_another_measurement(str(body["quote"]))

    call(
        create_app(make_services(telemetry=telemetry)),
        "POST",
        f"/attest/SgxEnclave{VERSION}",
        json=body,
    )

    [line] = log.lines
    assert list(line) == list(documented)
    different = {"request_id", "milliseconds", "timestamp"}
    assert {name: line[name] for name in line.keys() - different} == {
        name: documented[name] for name in documented.keys() - different
    }


def test_the_metrics_are_those_of_the_page() -> None:
    documented = {
        name.strip("`"): set(re.findall(r"\w+", labels))
        for name, labels, _ in rows(section(_PAGE, "Metrics"))
    }
    application = create_app(make_services(telemetry=make_telemetry(metrics=True)[0]))
    call(application, "GET", "/certs")

    text = call(application, "GET", "/metrics").text

    served: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(assay_\w+)\{(.*)\}", text, re.MULTILINE):
        metric = re.sub(r"_(bucket|count|sum|created)$", "", name)
        named = set(re.findall(r"(\w+)=", labels)) - {"le"}
        served.setdefault(metric, set()).update(named)
    # The time at which a counter began has a name without `_total`.
    served.pop("assay_requests", None)
    assert served == documented


def test_the_unit_starts_a_command_that_there_is_and_waits_long_enough() -> None:
    [text] = blocks(_PAGE, "ini")
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)
    service = unit["Service"]

    program, command, *options = service["ExecStart"].split()

    assert program.endswith("/assay")
    shown = CliRunner().invoke(app, [command, "--help"]).stdout
    assert all(option in shown for option in options if option.startswith("-"))
    assert int(service["TimeoutStopSec"]) > Settings().limits.shutdown_seconds + 5
    assert int(service["RestartPreventExitStatus"]) == ExitCode.USAGE


def _with_another_measurement(quote: str) -> str:
    # Four characters are three bytes: some of MRENCLAVE, which begins at byte 112.
    start = 116 // 3 * 4
    replaced = "AAAA" if quote[start : start + 4] != "AAAA" else "BBBB"
    return quote[:start] + replaced + quote[start + 4 :]
