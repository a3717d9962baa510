from __future__ import annotations

from pathlib import Path

import pytest

from assay.access import Right
from assay.errors import SettingsError
from assay.server.auth.settings import AuthSettings, CertificateGrant, ClientCertificateSettings
from assay.server.auth.settings_check import check_auth_settings, check_start
from tests.issuers import issuer_settings

_FINGERPRINT = "ab" * 32
_ISSUER = AuthSettings(issuers=(issuer_settings(),))


def _certificate(**changes: object) -> CertificateGrant:
    fields: dict[str, object] = {
        "name": "ci",
        "rights": (Right.READ,),
        "instances": ("*",),
        "fingerprint": _FINGERPRINT,
    }
    return CertificateGrant(**{**fields, **changes})  # type: ignore[arg-type]


def _certificates(*grants: CertificateGrant, ca_file: Path | None = Path("ca.pem")) -> AuthSettings:
    return AuthSettings(
        client_certificates=ClientCertificateSettings(ca_file=ca_file, grants=grants)
    )


def _refusal(auth: AuthSettings, *, tls: bool = True) -> str:
    with pytest.raises(SettingsError) as caught:
        check_auth_settings(auth, tls=tls)
    return caught.value.message


@pytest.mark.parametrize(
    "auth",
    [
        AuthSettings(),
        _ISSUER,
        AuthSettings(issuers=(issuer_settings(issuer="http://127.0.0.1:5556/dex"),)),
        AuthSettings(issuers=(issuer_settings(), issuer_settings(issuer="https://b.example"))),
        AuthSettings(issuers=(issuer_settings(issuer="https://id.example/realms/common"),)),
        _certificates(_certificate()),
        _certificates(_certificate(fingerprint=":".join(["AB"] * 32))),
        _certificates(_certificate(fingerprint=None, subject="CN=a", authority=Path("ca.pem"))),
    ],
)
def test_settings_that_go_together_pass(auth: AuthSettings) -> None:
    check_auth_settings(auth, tls=True)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/Organizations/v2.0",
        "https://login.partner.microsoftonline.cn/common/v2.0",
        "https://login.microsoftonline.com/consumers",
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://sts.windows.net/{tenantid}/",
    ],
)
def test_an_issuer_that_stands_for_every_tenant_is_refused(issuer: str) -> None:
    assert "one table for each tenant" in _refusal(
        AuthSettings(issuers=(issuer_settings(issuer=issuer),))
    )


@pytest.mark.parametrize("name", ["issuer", "discovery_url"])
@pytest.mark.parametrize(
    "url",
    [
        "login.example",
        "http://login.example",
        "https://",
        "https://[",
        "https://login.example?a",
        "https://login.example#a",
        "https://me@login.example",
        "file:///keys",
    ],
)
def test_an_issuer_is_reached_by_https(name: str, url: str) -> None:
    """TK-06."""
    assert "https://" in _refusal(AuthSettings(issuers=(issuer_settings(**{name: url}),)))


def test_an_issuer_is_there_once() -> None:
    assert "is there 2 times" in _refusal(AuthSettings(issuers=(issuer_settings(),) * 2))


@pytest.mark.parametrize(
    ("auth", "shown"),
    [
        (_certificates(), "needs both"),
        (_certificates(_certificate(), ca_file=None), "needs both"),
        (_certificates(_certificate(fingerprint=None)), "either fingerprint"),
        (_certificates(_certificate(subject="CN=a", authority=Path("a"))), "either fingerprint"),
        (_certificates(_certificate(fingerprint=None, subject="CN=a")), "only one of subject"),
        (_certificates(_certificate(authority=Path("a"))), "only one of subject"),
        (_certificates(_certificate(fingerprint="ab" * 20)), "SHA-256"),
        (_certificates(_certificate(fingerprint="ab:" * 32)), "SHA-256"),
        (
            _certificates(_certificate(), _certificate(fingerprint=_FINGERPRINT.upper())),
            "is there 2 times",
        ),
        (
            _certificates(
                *[_certificate(fingerprint=None, subject="CN=a", authority=Path("ca.pem"))] * 2
            ),
            "is there 2 times",
        ),
    ],
)
def test_certificates_that_do_not_go_together_are_refused(auth: AuthSettings, shown: str) -> None:
    assert shown in _refusal(auth)


def test_client_certificates_need_tls_here() -> None:
    assert "never taken from a header" in _refusal(_certificates(_certificate()), tls=False)


# The start


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("auth", [AuthSettings(), _ISSUER], ids=["none", "issuer"])
def test_on_loopback_a_server_starts(host: str, auth: AuthSettings) -> None:
    check_start(auth, host=host, has_api_tokens=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "attest.example", ""])  # noqa: S104
@pytest.mark.parametrize(
    ("auth", "tokens"),
    [
        (_ISSUER, False),
        (_certificates(_certificate()), False),
        (AuthSettings(), True),
        (AuthSettings(administration=False), False),
    ],
    ids=["issuer", "certificates", "API token", "no administration"],
)
def test_elsewhere_a_server_starts_with_authentication_or_without_administration(
    host: str, auth: AuthSettings, *, tokens: bool
) -> None:
    check_start(auth, host=host, has_api_tokens=tokens)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "attest.example", ""])  # noqa: S104
def test_elsewhere_a_server_without_authentication_does_not_start(host: str) -> None:
    with pytest.raises(SettingsError, match="nobody could authenticate"):
        check_start(AuthSettings(), host=host, has_api_tokens=False)
