from __future__ import annotations

import asyncio
import base64
import zlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest

from assay.access import ApiToken, Caller, CallerKind, Grants, Right, issue_api_token, token_id
from assay.errors import UnauthorizedError
from assay.server.auth.api_tokens import ApiTokenAuthenticator
from tests.conftest import AT

_GRANTS: Final = Grants.of([Right.READ], ["a"])
_ISSUED: Final = issue_api_token("ci", _GRANTS, created_at=AT, lifetime=timedelta(days=1))
_OTHER: Final = issue_api_token("ci", _GRANTS, created_at=AT, lifetime=timedelta(days=1))


class OneToken:
    """A store that has one token, and notes what it is asked."""

    def __init__(self, token: ApiToken | None) -> None:
        self._token = token
        self.asked: list[str] = []

    def get(self, token_id: str) -> ApiToken | None:
        self.asked.append(token_id)
        return self._token


def _authenticate(text: str, token: ApiToken | None = _ISSUED.token, at: datetime = AT) -> Caller:
    return asyncio.run(ApiTokenAuthenticator(OneToken(token)).authenticate(text, at=at))


def _refusal(text: str, token: ApiToken | None = _ISSUED.token, at: datetime = AT) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        _authenticate(text, token, at)
    (finding,) = caught.value.findings
    return finding.check


def _with_checksum(text: str) -> str:
    checksum = base64.b32encode(zlib.crc32(text.encode()).to_bytes(4, "big")).decode()
    return text + checksum.rstrip("=").lower()


def test_a_token_names_its_caller_and_their_rights() -> None:
    assert _authenticate(_ISSUED.text) == Caller(
        kind=CallerKind.API_TOKEN,
        name="ci",
        authority=f"assay_{_ISSUED.token.token_id}",
        grants=_GRANTS,
    )


def test_the_identifier_of_one_with_the_secret_of_another_is_none() -> None:
    secret = _OTHER.text.split("_")[2][:52]
    forged = _with_checksum(f"assay_{_ISSUED.token.token_id}_{secret}")

    assert token_id(forged) == _ISSUED.token.token_id
    assert _refusal(forged) == "access.api_token.unknown"


def test_unknown_and_wrong_are_one_answer() -> None:
    assert _refusal(_OTHER.text) == _refusal(_OTHER.text, None) == "access.api_token.unknown"


def test_a_token_without_a_digest_is_nobodys() -> None:
    """ST-05: what is empty in the store matches nothing."""
    for digest in (b"", bytes(32)):
        assert _refusal(_ISSUED.text, replace(_ISSUED.token, digest=digest)) == (
            "access.api_token.unknown"
        )


def test_a_token_ends_to_the_second() -> None:
    end = _ISSUED.token.expires_at

    assert _authenticate(_ISSUED.text, at=end - timedelta(microseconds=1)).name == "ci"
    assert _refusal(_ISSUED.text, at=end) == "access.api_token.expired"


def test_the_store_is_not_asked_for_what_is_no_token() -> None:
    store = OneToken(None)

    with pytest.raises(UnauthorizedError):
        asyncio.run(ApiTokenAuthenticator(store).authenticate(_ISSUED.text + "a", at=AT))

    assert store.asked == []
