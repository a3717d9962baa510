from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from assay.access import Right
from assay.errors import SettingsError
from assay.keys import SigningAlgorithm
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.settings import AuthSettings, IssuerSettings
from assay.server.auth.settings_check import check_auth_settings, check_start
from assay.server.settings import Settings
from assay.server.settings_reader import load_settings
from tests.certificates import Keys, pem
from tests.conftest import AT

_PAGE: Final = (Path(__file__).resolve().parents[4] / "docs" / "authentication.md").read_text()
_EXAMPLES: Final = re.findall(r"```toml\n(.*?)```", _PAGE, re.DOTALL)

_ISSUER: Final = """
[[auth.issuers]]
issuer = "https://login.example"
audiences = ["a"]
"""
_GRANT: Final = """
[[auth.issuers.grants]]
claim = "roles"
value = "x"
rights = ["read"]
instances = ["*"]
"""
_CERTIFICATE: Final = """
[[auth.client_certificates.grants]]
name = "ci"
rights = ["read"]
instances = ["*"]
"""


def _load(text: str, folder: Path) -> Settings:
    file = folder / "assay.toml"
    file.write_text(text)
    return load_settings(file=file, environment={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the page's examples name."""
    authority = pem(Keys().root_recipe.sign(Keys().root))
    for name in ("internal-ca.pem", "client-ca.pem"):
        (tmp_path / name).write_bytes(authority)
    return tmp_path


def test_nothing_is_set_up_unless_it_is_set() -> None:
    auth = load_settings(environment={}).auth

    assert auth == AuthSettings()
    assert not auth.configured
    assert auth.administration


@pytest.mark.parametrize("number", range(len(_EXAMPLES)))
def test_every_example_of_the_page_starts_a_server_anywhere(number: int, folder: Path) -> None:
    settings = _load(_EXAMPLES[number], folder)

    check_auth_settings(settings.auth, tls=settings.tls.certificate is not None)
    check_start(settings.auth, host="0.0.0.0", has_api_tokens=False)  # noqa: S104
    open_authorizer(settings.auth, api_tokens=None, dev=False, now=lambda: AT)


def test_the_examples_say_what_the_page_says(folder: Path) -> None:
    first, second, keycloak, dex, certificates, public = (
        _load(text, folder).auth for text in _EXAMPLES
    )

    assert [one.value for one in first.issuers[0].grants] == [
        "Attestation.Reader",
        "Attestation.Contributor",
        "bbbbcccc-1111-dddd-2222-eeee3333ffff",
    ]
    assert second.issuers[0].grants[0].rights == tuple(Right)
    assert keycloak.issuers[0].grants[0].claim == ("realm_access", "roles")
    assert dex.issuers[0].ca_file == folder / "internal-ca.pem"
    assert dex.issuers[0].algorithms == {SigningAlgorithm.RS256}
    assert certificates.client_certificates.grants[1].authority == folder / "client-ca.pem"
    assert not public.administration


def test_the_page_lists_every_setting_of_an_issuer_with_its_default() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*?) \|", _PAGE, re.MULTILINE)

    assert [name for name, _ in rows] == list(IssuerSettings.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (_ISSUER + "audience = 'b'", "unknown field"),
        (_ISSUER + "algorithms = ['HS256']", "HS256"),
        (_ISSUER + "algorithms = ['none']", "none"),
        (_ISSUER + "algorithms = []", "length"),
        (_ISSUER + "max_lifetime_hours = 0", "> 0"),
        (_ISSUER.replace("['a']", "[]").replace('["a"]', "[]"), "length"),
        (_ISSUER.replace('audiences = ["a"]', ""), "audiences"),
        (_ISSUER.replace('["a"]', "['a\"b']"), "regex"),
        (_ISSUER.replace("login.example", "login.example\\n"), "regex"),
        (_ISSUER + _GRANT.replace("rights", "right"), "unknown field"),
        (_ISSUER + _GRANT.replace('rights = ["read"]', ""), "rights"),
        (_ISSUER + _GRANT.replace('instances = ["*"]', ""), "instances"),
        (_ISSUER + _GRANT.replace('["read"]', "[]"), "length"),
        (_ISSUER + _GRANT.replace('["*"]', "[]"), "length"),
        (_ISSUER + _GRANT.replace('["read"]', '["admin"]'), "admin"),
        (_ISSUER + _GRANT.replace('["*"]', '["**"]'), "regex"),
        (_ISSUER + _GRANT.replace('["*"]', '["a\\n"]'), "regex"),
        (_ISSUER + _GRANT.replace('"x"', '""'), "length"),
        (_ISSUER + _GRANT.replace('"roles"', "[]"), "length"),
        (_CERTIFICATE + "fingerprints = 'x'", "unknown field"),
        (_CERTIFICATE.replace('instances = ["*"]', ""), "instances"),
        ("[auth]\nclock_skew_seconds = 301", "<= 300"),
        ("[auth]\nadministrators = true", "did you mean 'auth.administration'"),
    ],
)
def test_what_is_unknown_or_left_out_stops_the_start(text: str, shown: str, tmp_path: Path) -> None:
    """ST-05: leaving something out never gives a right."""
    with pytest.raises(SettingsError, match=re.escape(shown)):
        _load(text, tmp_path)
