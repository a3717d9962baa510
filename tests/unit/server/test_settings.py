from __future__ import annotations

from pathlib import Path

import pytest

from assay.server.settings import InstanceSettings, Settings, TlsSettings, default_data_dir
from assay.server.settings_reader import load_settings


@pytest.mark.parametrize(
    ("host", "issuer"),
    [
        ("127.0.0.1", "http://127.0.0.1:81"),
        ("localhost", "http://localhost:81"),
        ("::1", "http://[::1]:81"),
        ("0.0.0.0", "http://localhost:81"),  # noqa: S104
        ("::", "http://localhost:81"),
    ],
)
def test_the_issuer_is_derived_from_the_address(host: str, issuer: str) -> None:
    assert Settings(host=host).issuer(81) == issuer


def test_the_issuer_says_https_where_the_server_does() -> None:
    tls = TlsSettings(certificate=Path("cert.pem"), key=Path("key.pem"))

    assert Settings(tls=tls).issuer(443) == "https://127.0.0.1:443"


def test_the_public_url_is_the_issuer() -> None:
    settings = Settings(instance=InstanceSettings(public_url="https://a.example"))

    assert settings.issuer(81) == "https://a.example"


def test_the_database_is_in_the_data_directory_unless_set() -> None:
    assert Settings(data_dir=Path("/data")).database_url() == "sqlite:////data/assay.sqlite3"
    assert Settings(database="postgresql://x").database_url() == "postgresql://x"


def test_the_data_directory_is_the_users_unless_set() -> None:
    assert default_data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/assay")
    assert default_data_dir({}) == Path("~/.local/share/assay").expanduser()


def test_a_development_server_keeps_its_data_apart() -> None:
    assert load_settings(environment={}, flags={"dev": True}).data_dir == default_data_dir(dev=True)
    assert load_settings(environment={}, flags={}).data_dir == default_data_dir()
    assert default_data_dir({"XDG_DATA_HOME": "/data"}, dev=True) == Path("/data/assay-dev")
