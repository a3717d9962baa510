from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from assay.encoding import JsonValue, encode_json
from assay.errors import IssuerUnavailableError
from assay.relying_party.issuer_keys import IssuerKeys
from assay.relying_party.key_cache import FETCH_INTERVAL, MAX_AGE, REFRESH_AFTER
from assay.token import KeySet, parse_key_set
from tests.conftest import AT
from tests.issuers import ISSUER, issuer_key, jwk
from tests.servers.virtual_time import clock_from, run

OLD, NEW = issuer_key(0).kid, issuer_key(1).kid


def _set(*numbers: int) -> KeySet:
    members: list[JsonValue] = [jwk(issuer_key(number)) for number in numbers]
    return parse_key_set(encode_json({"keys": members}))


class Source:
    """Keys that change, fail and take their time as a test says."""

    issuer = ISSUER

    def __init__(self) -> None:
        self.keys = _set(0)
        self.fails = False
        self.defect: Exception | None = None
        self.seconds = 0.0
        self.fetches = 0
        self.closed = False

    async def fetch_keys(self) -> KeySet:
        self.fetches += 1
        await asyncio.sleep(self.seconds)
        if self.defect is not None:
            raise self.defect
        if self.fails:
            raise IssuerUnavailableError(f"attempt {self.fetches} failed")
        return self.keys

    async def close(self) -> None:
        self.closed = True


def _scenario(play: Callable[[IssuerKeys, Source], Awaitable[None]]) -> Source:
    source = Source()

    async def main() -> None:
        keys = IssuerKeys(source, now=clock_from(AT))
        try:
            await play(keys, source)
        finally:
            await keys.close()

    run(main())
    assert source.closed
    return source


async def _pass(time: timedelta, *, more: float = 1) -> None:
    await asyncio.sleep(time.total_seconds() + more)


def test_keys_are_fetched_once_and_kept() -> None:
    async def play(keys: IssuerKeys, _source: Source) -> None:
        for _ in range(3):
            assert OLD in (await keys.keys_for(OLD)).keys
            await _pass(timedelta(minutes=15))

    assert _scenario(play).fetches == 1


def test_a_thousand_callers_at_the_start_cause_one_request() -> None:
    """TC-20."""

    async def play(keys: IssuerKeys, source: Source) -> None:
        source.seconds = 1
        found = await asyncio.gather(*(keys.keys_for(OLD) for _ in range(1000)))
        assert all(OLD in one.keys for one in found)

    assert _scenario(play).fetches == 1


def test_a_new_key_is_found_by_its_first_token() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        await keys.keys_for(OLD)
        await _pass(FETCH_INTERVAL)
        source.keys, source.seconds = _set(0, 1), 1
        found = await asyncio.gather(*(keys.keys_for(NEW) for _ in range(100)))
        assert all(NEW in one.keys for one in found)

    assert _scenario(play).fetches == 2


def test_made_up_key_names_cause_one_request_in_an_interval() -> None:
    async def play(keys: IssuerKeys, _source: Source) -> None:
        for number in range(600):
            assert OLD in (await keys.keys_for(f"made up {number}")).keys
            await asyncio.sleep(1)

    assert _scenario(play).fetches == 10


@pytest.mark.parametrize("kid", [None, 1, ["x"], {"a": 1}])
def test_a_key_name_that_is_none_causes_no_request(kid: JsonValue) -> None:
    async def play(keys: IssuerKeys, _source: Source) -> None:
        await keys.keys_for(OLD)
        await _pass(FETCH_INTERVAL)
        await keys.keys_for(kid)

    assert _scenario(play).fetches == 1


def test_a_key_that_was_passed_over_is_known() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        source.keys = parse_key_set(encode_json({"keys": [jwk(issuer_key(), use="enc")]}))
        await keys.keys_for(OLD)
        await _pass(FETCH_INTERVAL)
        await keys.keys_for(OLD)

    assert _scenario(play).fetches == 1


def test_older_keys_are_renewed_in_the_background() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        await keys.keys_for(OLD)
        await _pass(REFRESH_AFTER)
        source.keys, source.seconds = _set(1), 1
        assert OLD in (await keys.keys_for(OLD)).keys
        await asyncio.sleep(2)
        assert OLD not in (await keys.keys_for(NEW)).keys

    assert _scenario(play).fetches == 2


def test_an_issuer_that_is_away_is_not_asked_by_every_token() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        await keys.keys_for(OLD)
        await _pass(REFRESH_AFTER)
        source.fails = True
        for _ in range(600):
            await keys.keys_for(OLD)
            await asyncio.sleep(1)

    assert _scenario(play).fetches == 1 + 10


def test_keys_stay_while_the_issuer_is_away_but_not_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        await keys.keys_for(OLD)
        source.fails = True
        for _ in range(23):
            await _pass(timedelta(hours=1))
            assert OLD in (await keys.keys_for(OLD)).keys
            assert OLD in (await keys.keys_for("another")).keys
        await _pass(timedelta(hours=1))
        with pytest.raises(IssuerUnavailableError):
            await keys.keys_for(OLD)

    with caplog.at_level(logging.WARNING):
        _scenario(play)

    assert [record.getMessage() for record in caplog.records] == ["attempt 2 failed"]


def test_keys_that_ended_come_back_with_the_issuer() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        await keys.keys_for(OLD)
        await _pass(MAX_AGE)
        source.keys = _set(1)
        assert list((await keys.keys_for(OLD)).keys) == [NEW]

    assert _scenario(play).fetches == 2


def test_an_issuer_that_was_never_there_is_asked_again_after_some_seconds() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        source.fails, source.seconds = True, 1
        outcomes = await asyncio.gather(
            *(keys.keys_for(OLD) for _ in range(10)), return_exceptions=True
        )
        assert {str(outcome) for outcome in outcomes} == {"attempt 1 failed"}
        assert len({id(outcome) for outcome in outcomes}) == 10
        with pytest.raises(IssuerUnavailableError, match="attempt 1"):
            await keys.keys_for(OLD)
        await asyncio.sleep(6)
        source.fails = False
        assert OLD in (await keys.keys_for(OLD)).keys

    assert _scenario(play).fetches == 2


def test_who_stops_waiting_does_not_end_the_waiting_of_others() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        source.seconds = 10
        impatient = asyncio.create_task(keys.keys_for(OLD))
        patient = asyncio.create_task(keys.keys_for(OLD))
        await asyncio.sleep(1)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        assert OLD in (await patient).keys

    assert _scenario(play).fetches == 1


def test_who_waits_while_the_server_stops_is_told() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        source.seconds = 10
        waiter = asyncio.create_task(keys.keys_for(OLD))
        await asyncio.sleep(1)
        await keys.close()
        with pytest.raises(IssuerUnavailableError, match="stopping"):
            await waiter

    _scenario(play)


def test_a_defect_is_no_failure_of_the_issuer() -> None:
    async def play(keys: IssuerKeys, source: Source) -> None:
        source.defect = LookupError("defect")
        with pytest.raises(LookupError):
            await keys.keys_for(OLD)

    _scenario(play)
