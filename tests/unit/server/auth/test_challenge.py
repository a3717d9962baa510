from __future__ import annotations

import pytest

from assay.server.auth.challenge import bearer_challenge
from assay.server.auth.settings import AuthSettings
from tests.issuers import issuer_settings


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.microsoftonline.com/72f988bf/v2.0",
        "https://sts.windows.net/72f988bf/",
        "https://login.microsoftonline.com/72f988bf",
    ],
)
def test_entra_id_is_named_as_clients_of_azure_expect_it(issuer: str) -> None:
    settings = issuer_settings(issuer=issuer, audiences=("https://attest.azure.net", "other"))

    assert bearer_challenge(AuthSettings(issuers=(settings,))) == (
        'Bearer authorization_uri="https://login.microsoftonline.com/72f988bf", '
        'resource_id="https://attest.azure.net"'
    )


@pytest.mark.parametrize(
    ("changes", "uri"),
    [
        ({"issuer": "https://dex.example"}, "https://dex.example"),
        ({"issuer": "https://sts.windows.net/a/b/"}, "https://sts.windows.net/a/b/"),
        ({"authorization_uri": "https://get.example/token"}, "https://get.example/token"),
    ],
)
def test_another_issuer_is_named_by_itself_or_by_the_settings(
    changes: dict[str, str], uri: str
) -> None:
    settings = AuthSettings(issuers=(issuer_settings(**changes), issuer_settings()))

    assert f'authorization_uri="{uri}"' in bearer_challenge(settings)


def test_without_an_issuer_there_is_a_resource() -> None:
    assert bearer_challenge(AuthSettings()) == 'Bearer resource_id="https://attest.azure.net"'
