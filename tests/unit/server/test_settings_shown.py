from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from assay.server.settings import Origin
from assay.server.settings_reader import read_settings, setting_types
from assay.server.settings_shown import HIDDEN, ShownSetting, shown_settings

_PLANTED: Final = "hunter2hunter2hunter2hunter2hunt"


def _shown(
    text: str, tmp_path: Path, environment: Mapping[str, str] | None = None
) -> dict[str, ShownSetting]:
    file = tmp_path / "assay.toml"
    file.write_text(text)
    reading = read_settings(file=file, environment=environment or {}, flags={"port": 9000})
    assert reading.settings is not None
    return {one.name: one for one in shown_settings(reading, reading.settings)}


def test_every_setting_is_shown_with_where_it_came_from(tmp_path: Path) -> None:
    shown = _shown('# mine\nhost = "::1"\n', tmp_path, {"ASSAY_WORKERS": "2"})

    assert list(shown) == list(setting_types())
    origins = {name: (one.value, one.origin) for name, one in shown.items()}
    assert origins["host"] == ("::1", Origin.FILE)
    assert origins["workers"] == (2, Origin.ENVIRONMENT)
    assert origins["port"] == (9000, Origin.FLAG)
    assert origins["metrics"] == (False, Origin.DEFAULT)
    assert shown["host"].place == f"settings file {tmp_path}/assay.toml, line 2"
    assert shown["workers"].place == "environment variable ASSAY_WORKERS"


def test_what_is_derived_is_shown_as_it_holds(tmp_path: Path) -> None:
    shown = _shown('data_dir = "data"\n', tmp_path)

    assert shown["database"].value == f"sqlite:///{tmp_path}/data/assay.sqlite3"
    assert shown["key_encryption_key_file"].value == f"{tmp_path}/data/key-encryption.key"
    assert shown["instance.public_url"].value == "http://127.0.0.1:9000"


def test_a_port_that_is_chosen_later_makes_no_url(tmp_path: Path) -> None:
    reading = read_settings(environment={}, flags={"port": 0, "data_dir": str(tmp_path)})

    assert reading.settings is not None
    shown = {one.name: one.value for one in shown_settings(reading, reading.settings)}
    assert shown["instance.public_url"] is None


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://assay:{_PLANTED}@db.example/assay",
        f"postgresql://assay@db.example/assay?password={_PLANTED}",
        f"postgresql://assay@db.example/assay?sslpassword={_PLANTED}",
    ],
)
def test_no_password_of_the_database_is_shown(url: str, tmp_path: Path) -> None:
    text = f'database = "{url}"\n[instance]\npublic_url = "https://a.example"\n'

    shown = _shown(text, tmp_path)

    assert "db.example/assay" in str(shown["database"].value)
    assert _PLANTED not in str(shown)


def test_no_key_is_shown(tmp_path: Path) -> None:
    key = base64.b64encode(_PLANTED.encode()).decode()

    shown = _shown("", tmp_path, {"ASSAY_KEY_ENCRYPTION_KEY": key})

    assert shown["key_encryption_key"].value == HIDDEN
    assert shown["key_encryption_key_file"].value is None
    assert _PLANTED not in str(shown)
    assert key not in str(shown)


def test_no_pin_is_shown(tmp_path: Path) -> None:
    variables = {
        "ASSAY_PKCS11_PIN": _PLANTED,
        "ASSAY_PKCS11_MODULE": "m",
        "ASSAY_PKCS11_TOKEN": "t",
    }

    shown = _shown("", tmp_path, variables)

    assert shown["pkcs11.pin"].value == HIDDEN
    assert _PLANTED not in str(shown)


def test_no_credentials_in_any_address_are_shown(tmp_path: Path) -> None:
    text = f"""
        [collateral]
        source = "pccs"
        url = "https://user:{_PLANTED}@pccs.example"
        [[auth.issuers]]
        issuer = "https://issuer.example"
        audiences = ["https://user:{_PLANTED}@assay.example"]
    """

    shown = _shown(text, tmp_path)

    assert shown["collateral.url"].value == f"https://{HIDDEN}@pccs.example"
    assert f"https://{HIDDEN}@assay.example" in str(shown["auth.issuers"].value)
    assert _PLANTED not in str(shown)
