from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread, current_thread

import pytest

from assay.errors import IssuerUnavailableError, SettingsError
from assay.relying_party import (
    KeySet,
    TokenDemands,
    TokenVerifier,
    VerifiedToken,
    load_key_set,
    read_key_set,
)
from assay.relying_party.aio import AsyncTokenVerifier
from tests import issuers
from tests.attestation_tokens import (
    ISSUER,
    AsyncKeys,
    Keys,
    claims,
    key_document,
    key_set,
    service_key,
    token,
)
from tests.conftest import AT
from tests.unit.relying_party.token_refusals import refusal_of


def test_keys_of_a_file_and_of_a_document_need_no_network(tmp_path: Path) -> None:
    file = tmp_path / "certs.json"
    file.write_bytes(key_document())

    for keys in (load_key_set(file), read_key_set(json.loads(key_document()))):
        with TokenVerifier(ISSUER, keys=keys, now=lambda: AT) as verifier:
            assert verifier.verify(token()).signed
    with pytest.raises(SettingsError, match="cannot read"):
        load_key_set(tmp_path / "nothing.json")


def test_a_new_key_is_fetched_with_its_first_token_and_made_up_ones_are_not() -> None:
    now = [AT]
    source = Keys(service_key(0))
    with TokenVerifier(ISSUER, keys=source, now=lambda: now[0]) as verifier:
        assert verifier.verify(token()).signed
        now[0] += timedelta(minutes=2)
        source.keys = key_set(service_key(0), service_key(1))
        assert verifier.verify(token(key=service_key(1))).signed
        for number in range(20):
            forged = issuers.token(claims(), service_key(0), kid=f"made up {number}")
            assert refusal_of(verifier.verify, forged) == ["token.jws.key_unknown"]

    assert source.fetches == 2
    assert source.closed


def test_a_withdrawn_key_ends_within_the_hour_while_the_service_is_there() -> None:
    """TK-08."""
    now = [AT]
    source = Keys(service_key(0))
    verifier = TokenVerifier(ISSUER, keys=source, now=lambda: now[0])
    assert verifier.verify(token()).signed
    source.keys = key_set(service_key(1))
    now[0] += timedelta(hours=1)

    assert refusal_of(verifier.verify, token()) == ["token.jws.key_unknown"]
    assert source.fetches == 2


def test_keys_serve_on_while_the_service_is_away_and_not_for_ever() -> None:
    now = [AT]
    source = Keys(service_key(0))
    demands = TokenDemands(clock_skew=timedelta(days=2))
    verifier = TokenVerifier(ISSUER, demands=demands, keys=source, now=lambda: now[0])
    assert verifier.verify(token()).signed
    source.fails = True

    now[0] += timedelta(hours=23)
    assert verifier.verify(token()).signed
    now[0] += timedelta(hours=1)
    for _ in range(3):
        with pytest.raises(IssuerUnavailableError, match="attempt"):
            verifier.verify(token())

    assert source.fetches == 3


def test_threads_that_all_need_keys_ask_for_them_once() -> None:
    source = Keys(service_key(0))
    verifier = TokenVerifier(ISSUER, keys=source, now=lambda: AT)
    text, found = token(), []
    threads = [Thread(target=lambda: found.append(verifier.verify(text).kid)) for _ in range(32)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [service_key().kid] * 32
    assert source.fetches == 1


def test_who_waits_for_anothers_answer_does_not_ask_again() -> None:
    waiting = Event()

    class Slow(Keys):
        def fetch_keys(self) -> KeySet:
            second.start()
            assert waiting.wait(10)
            return super().fetch_keys()

    def now() -> datetime:
        if current_thread() is second:
            waiting.set()
        return AT

    source = Slow(service_key())
    verifier = TokenVerifier(ISSUER, keys=source, now=now)
    second = Thread(target=lambda: verifier.verify(token()))
    assert verifier.verify(token()).signed
    second.join()

    assert source.fetches == 1


def test_an_event_loop_asks_once_and_closes_its_source() -> None:
    source = AsyncKeys(service_key())

    async def main() -> list[VerifiedToken]:
        async with AsyncTokenVerifier(ISSUER, keys=source, now=lambda: AT) as verifier:
            return await asyncio.gather(*(verifier.verify(token()) for _ in range(1000)))

    assert len(asyncio.run(main())) == 1000
    assert source.source.fetches == 1
    assert source.source.closed


def test_a_verifier_of_a_key_set_has_nothing_to_close() -> None:
    async def main() -> bool:
        async with AsyncTokenVerifier(ISSUER, keys=key_set(), now=lambda: AT) as verifier:
            return (await verifier.verify(token())).signed

    assert asyncio.run(main())


def test_keys_come_from_the_issuer_where_nothing_else_is_said() -> None:
    with (
        TokenVerifier("http://127.0.0.1:9", now=lambda: AT) as verifier,
        pytest.raises(IssuerUnavailableError, match=r"127\.0\.0\.1:9/\.well-known"),
    ):
        verifier.verify(token())

    async def main() -> None:
        async with AsyncTokenVerifier("http://127.0.0.1:9", now=lambda: AT) as verifier:
            await verifier.verify(token())

    with pytest.raises(IssuerUnavailableError, match=r"127\.0\.0\.1:9/\.well-known"):
        asyncio.run(main())
