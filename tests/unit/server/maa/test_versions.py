from __future__ import annotations

import pytest

from assay.server.errors import Refusal, RefusedRequestError
from assay.server.maa.versions import API_VERSIONS, check_api_version


@pytest.mark.parametrize("version", API_VERSIONS)
def test_every_version_of_the_protocol_passes(version: str) -> None:
    check_api_version(f"api-version={version}".encode())


@pytest.mark.parametrize(
    "query",
    [b"x=1&api-version=2022-08-01", b"API-Version=2022-08-01", b"api%2Dversion=2022%2D08%2D01"],
)
def test_other_spellings_of_the_query_pass(query: bytes) -> None:
    check_api_version(query)


@pytest.mark.parametrize(
    ("query", "refusal"),
    [
        (b"", Refusal.API_VERSION_MISSING),
        (b"version=2022-08-01", Refusal.API_VERSION_MISSING),
        (b"api-version=", Refusal.API_VERSION_UNKNOWN),
        (b"api-version=2022-08-02", Refusal.API_VERSION_UNKNOWN),
        (b"api-version=\xff", Refusal.API_VERSION_UNKNOWN),
        (b"api-version=2022-08-01 ", Refusal.API_VERSION_UNKNOWN),
        (b"api-version=2022-08-01&api-version=2022-08-01", Refusal.API_VERSION_AMBIGUOUS),
        (b"api-version=2022-08-01&API-VERSION=2020-10-01", Refusal.API_VERSION_AMBIGUOUS),
    ],
)
def test_a_missing_unknown_or_repeated_version_is_refused(query: bytes, refusal: Refusal) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check_api_version(query)

    assert caught.value.refusal is refusal
    assert caught.value.target == "api-version"


def test_a_long_version_is_not_repeated_as_a_whole() -> None:
    with pytest.raises(RefusedRequestError) as caught:
        check_api_version(b"api-version=" + b"9" * 10_000)

    assert len(caught.value.message) < 400
