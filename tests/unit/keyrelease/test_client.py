"""The enclave's client, with answers made here."""

from __future__ import annotations

import httpx2
import pytest

from assay.errors import BrokerUnavailableError
from assay.keyrelease.client import BrokerClient
from tests.refusals import release_refusal_of


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, content=b"not json"),
        httpx2.Response(200, content=b"[]"),
        httpx2.Response(200, content=b"{}"),
        httpx2.Response(200, content=b'{"nonce":"x","expires":1,"more":1}'),
        httpx2.Response(502, content=b"<html>"),
    ],
)
def test_an_answer_of_nobody_is_told(answer: httpx2.Response) -> None:
    transport = httpx2.MockTransport(lambda _: answer)

    with (
        BrokerClient("http://broker", transport=transport) as client,
        pytest.raises(BrokerUnavailableError, match="check the address"),
    ):
        client.challenge("database", "payroll")


@pytest.mark.parametrize("body", [b"{}", b'{"error":7}', b'{"error":{"findings":7}}'])
def test_a_refusal_without_reasons_is_one_all_the_same(body: bytes) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(403, content=body))

    with BrokerClient("http://broker", transport=transport) as client:
        assert release_refusal_of(lambda: client.challenge("database", "payroll")) == []
