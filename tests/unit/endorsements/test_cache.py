from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import httpx2
import pytest
from starlette.responses import Response

from assay.endorsements.cache import CollateralCache, StoredDocuments
from assay.endorsements.cache_entry import CacheEntry
from assay.endorsements.intel import verify_collateral
from assay.endorsements.platform import DcapPlatform, Tee
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    unavailable,
)
from assay.endorsements.sources import open_source
from assay.errors import CollateralUnavailableError, StoreUnavailableError
from assay.simulator import SimulatedPlatform
from assay.simulator.pcs import pcs_app
from tests.conftest import AT
from tests.servers.recorder import Recorder
from tests.servers.virtual_time import clock_from, elapsed, run

EARLY = EvaluationSelection("early")


@dataclass(kw_only=True)
class Upstream:
    """A source whose every answer is decided by the test."""

    platform: SimulatedPlatform
    now: Callable[[], datetime] = field(default_factory=lambda: clock_from(AT))
    down: bool = False
    seconds: float = 0
    number: int | None = None
    issued_ago: timedelta = timedelta()
    asked: int = 0
    closed: bool = False
    name: str = "upstream"

    async def gather(
        self, _platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.down:
            raise unavailable("an answer", f"none, {self.asked}")
        number = 21 if evaluation == EARLY else self.number
        collateral = self.platform.collateral(self.now() - self.issued_ago, number=number)
        return GatheredCollateral(collateral=collateral, source=self.name, fetched_at=self.now())

    async def close(self) -> None:
        self.closed = True


@dataclass
class Shelf:
    """A store that fails when it is told to."""

    documents: dict[str, bytes] = field(default_factory=dict)
    expiries: dict[str, datetime] = field(default_factory=dict)
    unreadable: bool = False
    read_only: bool = False
    threads: set[int] = field(default_factory=set)

    def get(self, key: str) -> bytes | None:
        self.threads.add(threading.get_ident())
        if self.unreadable:
            raise StoreUnavailableError("the database is locked")
        return self.documents.get(key)

    def put(self, key: str, document: bytes, *, fetched_at: datetime, expires_at: datetime) -> None:
        assert fetched_at < expires_at
        self.threads.add(threading.get_ident())
        if self.read_only:
            raise StoreUnavailableError("the database is read-only")
        self.documents[key] = document
        self.expiries[key] = expires_at


@pytest.fixture
def upstream(platform: SimulatedPlatform) -> Upstream:
    return Upstream(platform=platform)


@pytest.fixture
def own(platform: SimulatedPlatform) -> DcapPlatform:
    return platform.dcap_platform


def cached(upstream: Upstream, store: StoredDocuments | None = None) -> CollateralCache:
    return CollateralCache(upstream, store=store, now=upstream.now, jitter=lambda: 0.5)


async def hours(count: float) -> None:
    await asyncio.sleep(count * 3600)


async def settle() -> None:
    """Let what runs in the background come to its end, which takes no time here."""
    for _ in range(20):
        await asyncio.sleep(0.001)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# Asking once


def test_a_set_is_fetched_once(upstream: Upstream, own: DcapPlatform) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        first = await cache.gather(own)
        await hours(17)
        second = await cache.gather(own)
        assert first == second
        assert not second.stale
        assert cache.name == "upstream"

    run(ask())

    assert upstream.asked == 1


def test_a_thousand_who_wait_make_one_request(
    platform: SimulatedPlatform, own: DcapPlatform
) -> None:
    server = Recorder(pcs_app(platform, now=lambda: AT))

    async def ask() -> list[GatheredCollateral]:
        source = open_source("pcs", now=lambda: AT, transport=httpx2.ASGITransport(server))
        cache = CollateralCache(source, now=lambda: AT)
        gathered = await asyncio.gather(*(cache.gather(own) for _ in range(1000)))
        await cache.close()
        return gathered

    gathered = run(ask())

    assert len(server.asked) == 4
    assert set(server.times.values()) == {1}
    assert len({found.collateral.digest for found in gathered}) == 1
    verified = verify_collateral(gathered[0].collateral, roots=platform.anchors)
    assert verified.tcb_info.evaluation_number == 20


def test_a_thousand_who_wait_all_get_the_error(
    platform: SimulatedPlatform, own: DcapPlatform
) -> None:
    server = Recorder(pcs_app(platform, now=lambda: AT))
    server.always["/tcb"] = Response(status_code=404)

    async def ask() -> list[GatheredCollateral | BaseException]:
        source = open_source("pcs", now=lambda: AT, transport=httpx2.ASGITransport(server))
        cache = CollateralCache(source, now=lambda: AT)
        return await asyncio.gather(
            *(cache.gather(own) for _ in range(1000)), return_exceptions=True
        )

    outcomes = run(ask())

    assert server.times["/sgx/certification/v4/tcb"] == 1
    assert len({id(outcome) for outcome in outcomes}) == 1000
    for outcome in outcomes:
        assert isinstance(outcome, CollateralUnavailableError)
        assert outcome.findings[0].actual == "status 404"


def test_evaluations_and_platforms_are_kept_apart(upstream: Upstream, own: DcapPlatform) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        standard = await cache.gather(own)
        early = await cache.gather(own, evaluation=EARLY)
        await cache.gather(replace(own, tee=Tee.TDX))
        await cache.gather(replace(own, fmspc=b"other."))
        assert standard.collateral.tcb_info != early.collateral.tcb_info
        assert await cache.gather(own) == standard

    run(ask())

    assert upstream.asked == 4


def test_the_pce_identifier_does_not_multiply_requests(
    upstream: Upstream, own: DcapPlatform
) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        for number in range(300):
            await cache.gather(replace(own, pceid=number.to_bytes(2, "little")))

    run(ask())

    assert upstream.asked == 1


def test_what_was_not_asked_for_the_longest_is_forgotten(
    upstream: Upstream, own: DcapPlatform
) -> None:
    def other(number: int) -> DcapPlatform:
        return replace(own, fmspc=number.to_bytes(6, "big"))

    async def ask() -> None:
        cache = cached(upstream)
        for number in range(512):
            await cache.gather(other(number))
        await cache.gather(other(0))
        await cache.gather(other(512))
        asked = upstream.asked
        await cache.gather(other(0))
        assert upstream.asked == asked
        await cache.gather(other(1))
        assert upstream.asked == asked + 1

    run(ask())


# Failures


def test_a_failure_is_remembered_for_a_moment(upstream: Upstream, own: DcapPlatform) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        upstream.down = True
        for _ in range(2):
            with pytest.raises(CollateralUnavailableError, match="none, 1"):
                await cache.gather(own)
        upstream.down = False
        await asyncio.sleep(3)
        await cache.gather(own)

    run(ask())

    assert upstream.asked == 2


def test_documents_that_do_not_parse_are_a_failure(upstream: Upstream, own: DcapPlatform) -> None:
    class Garbled(Upstream):
        async def gather(
            self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
        ) -> GatheredCollateral:
            found = await super().gather(platform, evaluation=evaluation)
            return replace(found, collateral=replace(found.collateral, pck_crl=b"garbage"))

    async def ask() -> None:
        with pytest.raises(CollateralUnavailableError, match="Intel's schema"):
            await cached(Garbled(platform=upstream.platform)).gather(own)

    run(ask())


# Waiting and not waiting any more


def test_who_stops_waiting_does_not_stop_the_others(upstream: Upstream, own: DcapPlatform) -> None:
    upstream.seconds = 10

    async def ask() -> None:
        cache = cached(upstream)
        waiters = [asyncio.create_task(cache.gather(own)) for _ in range(3)]
        await asyncio.sleep(1)
        waiters[0].cancel()
        outcomes = await asyncio.gather(*waiters, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert isinstance(outcomes[1], GatheredCollateral)
        assert outcomes[1] == outcomes[2]

    run(ask())

    assert upstream.asked == 1


def test_nobody_waits_longer_than_is_said(upstream: Upstream, own: DcapPlatform) -> None:
    upstream.seconds = 10

    async def ask() -> None:
        cache = CollateralCache(upstream, now=upstream.now, wait_seconds=3)
        with pytest.raises(CollateralUnavailableError) as caught:
            await cache.gather(own)
        assert elapsed() == 3
        assert [finding.check for finding in caught.value.findings] == [
            "appraisal.collateral.unavailable"
        ]
        # What was being fetched for the one who left serves the next.
        await asyncio.sleep(7)
        assert isinstance(await cache.gather(own), GatheredCollateral)

    run(ask())

    assert upstream.asked == 1


def test_what_nobody_waits_for_any_more_is_kept_all_the_same(
    upstream: Upstream, own: DcapPlatform
) -> None:
    upstream.seconds = 10

    async def ask() -> None:
        cache = cached(upstream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await cache.gather(own)
        await asyncio.sleep(10)
        async with asyncio.timeout(1):
            await cache.gather(own)

    run(ask())

    assert upstream.asked == 1


def test_closing_ends_what_is_under_way(upstream: Upstream, own: DcapPlatform) -> None:
    upstream.seconds = 10

    async def ask() -> None:
        cache = cached(upstream)
        waiter = asyncio.create_task(cache.gather(own))
        await asyncio.sleep(1)
        await cache.close()
        with pytest.raises(CollateralUnavailableError, match="being closed"):
            await waiter
        with pytest.raises(CollateralUnavailableError, match="being closed"):
            await cache.gather(own)
        assert elapsed() == pytest.approx(1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(ask())

    assert upstream.closed


def test_a_waiter_that_is_cancelled_while_the_cache_closes_is_cancelled(
    upstream: Upstream, own: DcapPlatform
) -> None:
    upstream.seconds = 10

    async def ask() -> None:
        cache = cached(upstream)
        waiter = asyncio.create_task(cache.gather(own))
        await asyncio.sleep(1)
        closing = asyncio.create_task(cache.close())
        await asyncio.sleep(0)
        waiter.cancel()
        await closing
        with pytest.raises(asyncio.CancelledError):
            await waiter

    run(ask())


def test_a_defect_of_the_source_is_not_taken_for_missing_collateral(
    upstream: Upstream, own: DcapPlatform
) -> None:
    class Broken(Upstream):
        async def gather(
            self, _platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
        ) -> GatheredCollateral:
            raise ZeroDivisionError(evaluation)

    async def ask() -> None:
        with pytest.raises(ZeroDivisionError):
            await cached(Broken(platform=upstream.platform)).gather(own)

    run(ask())


# Refreshing


def test_a_set_near_its_end_is_refreshed_in_the_background(
    upstream: Upstream, own: DcapPlatform
) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        first = await cache.gather(own)
        upstream.seconds = 10
        await hours(20)
        before = elapsed()
        present = [await cache.gather(own) for _ in range(5)]
        assert elapsed() == before
        assert present == [first] * 5
        await asyncio.sleep(11)
        assert (await cache.gather(own)).fetched_at > first.fetched_at

    run(ask())

    assert upstream.asked == 2


@pytest.mark.parametrize(("jitter", "hour"), [(0.0, 18), (0.999999, 21.6)])
def test_refreshes_are_spread(
    upstream: Upstream, own: DcapPlatform, jitter: float, hour: float
) -> None:
    async def ask() -> None:
        cache = CollateralCache(upstream, now=upstream.now, jitter=lambda: jitter)
        await cache.gather(own)
        await hours(hour - 0.01)
        await cache.gather(own)
        await settle()
        assert upstream.asked == 1
        await hours(0.01)
        await cache.gather(own)
        await settle()
        assert upstream.asked == 2

    run(ask())


def test_a_set_of_a_day_ago_is_fetched_anew(upstream: Upstream, own: DcapPlatform) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        first = await cache.gather(own)
        await hours(24)
        second = await cache.gather(own)
        assert second.fetched_at == first.fetched_at + timedelta(hours=24)
        assert not first.stale

    run(ask())


def test_a_set_ends_with_its_next_update(upstream: Upstream, own: DcapPlatform) -> None:
    # Documents are issued at midnight for thirty days: these have twelve hours left.
    upstream.issued_ago = timedelta(days=29)

    async def ask() -> None:
        cache = cached(upstream)
        await cache.gather(own)
        upstream.issued_ago = timedelta()
        await hours(11)
        assert not (await cache.gather(own)).stale
        await settle()
        assert upstream.asked == 2
        await hours(2)
        assert not (await cache.gather(own)).stale

    run(ask())


def test_a_refresh_that_fails_is_tried_again_ever_more_rarely_and_told_once(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> list[float]:
        cache = cached(upstream)
        first = await cache.gather(own)
        await hours(20)
        upstream.down = True
        tries: list[float] = []
        for _ in range(4 * 360):
            asked = upstream.asked
            assert await cache.gather(own) == first
            await settle()
            if upstream.asked > asked:
                tries.append(elapsed())
            await asyncio.sleep(10)
        upstream.down = False
        await hours(0.6)
        await cache.gather(own)
        await settle()
        assert (await cache.gather(own)).fetched_at > first.fetched_at
        return tries

    tries = run(ask())

    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[:3] == pytest.approx([32, 65, 129], abs=11)
    assert pauses[-1] == pytest.approx(1935, abs=11)
    assert len(warnings(caplog)) == 1
    assert "is not renewed" in warnings(caplog)[0]
    assert "tcbInfo" not in caplog.text


# Staleness


def test_a_set_past_its_next_update_is_marked_when_nothing_newer_can_be_had(
    upstream: Upstream, own: DcapPlatform
) -> None:
    upstream.issued_ago = timedelta(days=29)

    async def ask() -> None:
        cache = cached(upstream)
        first = await cache.gather(own)
        assert not first.stale
        upstream.down = True
        await hours(13)
        late = await cache.gather(own)
        assert late.stale
        assert late.collateral == first.collateral
        assert late.fetched_at == first.fetched_at
        asked = upstream.asked
        assert (await cache.gather(own)).stale
        assert upstream.asked == asked
        upstream.down, upstream.issued_ago = False, timedelta()
        await asyncio.sleep(60)
        assert not (await cache.gather(own)).stale

    run(ask())


def test_a_set_a_day_old_is_not_stale_before_its_next_update(
    upstream: Upstream, own: DcapPlatform
) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        await cache.gather(own)
        upstream.down = True
        await hours(48)
        assert not (await cache.gather(own)).stale

    run(ask())


def test_a_source_that_serves_what_has_run_out_is_not_asked_each_time(
    upstream: Upstream, own: DcapPlatform
) -> None:
    upstream.issued_ago = timedelta(days=31)

    async def ask() -> None:
        cache = cached(upstream)
        for _ in range(10):
            assert (await cache.gather(own)).stale
        assert upstream.asked == 1
        await asyncio.sleep(30)
        upstream.issued_ago = timedelta()
        assert not (await cache.gather(own)).stale

    run(ask())


# No way back


@pytest.mark.parametrize("days", [0, 40])
def test_a_lower_evaluation_number_does_not_take_the_place_of_a_higher_one(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture, days: int
) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        first = await cache.gather(own)
        upstream.number = 18
        await hours(24 * (days + 1))
        second = await cache.gather(own)
        assert second.collateral == first.collateral
        assert second.stale is (days > 0)
        assert await cache.gather(own) == second

    run(ask())

    (warning,) = warnings(caplog)
    assert "no older than TCB evaluation data 20" in warning
    assert "number 18" in warning


def test_older_documents_do_not_take_the_place_of_newer_ones(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        first = await cache.gather(own)
        upstream.issued_ago = timedelta(days=3)
        await hours(24)
        assert (await cache.gather(own)).collateral == first.collateral

    run(ask())

    assert len(warnings(caplog)) == 1


def test_one_older_list_is_enough(upstream: Upstream, own: DcapPlatform) -> None:
    class Replaying(Upstream):
        async def gather(
            self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
        ) -> GatheredCollateral:
            found = await super().gather(platform, evaluation=evaluation)
            if self.asked == 1:
                return found
            old = self.platform.pck_crl(self.now() - timedelta(days=9))
            return replace(found, collateral=replace(found.collateral, pck_crl=old))

    async def ask() -> None:
        cache = cached(Replaying(platform=upstream.platform))
        first = await cache.gather(own)
        await hours(24)
        assert (await cache.gather(own)).collateral == first.collateral

    run(ask())


# The store


def test_sets_outlive_the_process(upstream: Upstream, own: DcapPlatform) -> None:
    shelf = Shelf()

    async def ask() -> None:
        first = await cached(upstream, shelf).gather(own)
        await hours(1)
        second = await cached(upstream, shelf).gather(own)
        assert second == first

    run(ask())

    assert upstream.asked == 1
    (expiry,) = shelf.expiries.values()
    assert expiry == datetime(2026, 12, 23, tzinfo=expiry.tzinfo)
    assert threading.get_ident() not in shelf.threads


def test_a_set_that_another_process_fetched_is_taken_over(
    upstream: Upstream, own: DcapPlatform
) -> None:
    shelf = Shelf()

    async def ask() -> None:
        one, other = cached(upstream, shelf), cached(upstream, shelf)
        await one.gather(own)
        await other.gather(own)
        await hours(20)
        await one.gather(own)
        await finish()
        newer = await one.gather(own)
        await other.gather(own)
        await finish()
        assert await other.gather(own) == newer

    run(ask())

    assert upstream.asked == 2


async def finish() -> None:
    """Wait for what runs in the background."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others)


def test_a_stored_set_is_the_fallback_of_a_new_process(
    upstream: Upstream, own: DcapPlatform
) -> None:
    shelf = Shelf()

    async def ask() -> None:
        first = await cached(upstream, shelf).gather(own)
        upstream.down = True
        await hours(24 * 40)
        late = await cached(upstream, shelf).gather(own)
        assert late.stale
        assert late.collateral == first.collateral

    run(ask())


def test_a_stored_set_is_not_gone_behind_after_a_restart(
    upstream: Upstream, own: DcapPlatform
) -> None:
    shelf = Shelf()

    async def ask() -> None:
        first = await cached(upstream, shelf).gather(own)
        upstream.number = 18
        await hours(30)
        assert (await cached(upstream, shelf).gather(own)).collateral == first.collateral

    run(ask())


def test_sources_do_not_share_stored_sets(upstream: Upstream, own: DcapPlatform) -> None:
    shelf = Shelf()
    other = Upstream(platform=upstream.platform, name="another", number=18)

    async def ask() -> None:
        await cached(upstream, shelf).gather(own)
        assert (await cached(other, shelf).gather(own)).source == "another"

    run(ask())

    assert len(shelf.documents) == 2


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda document: document[:-10],
    "not UTF-8": lambda document: b"\xff" + document,
    "source of another type": lambda document: document.replace(b'"upstream"', b"1"),
    "no instant": lambda document: document.replace(b'"fetched_at":"', b'"fetched_at":"not '),
    "instant without zone": lambda document: document.replace(b"+00:00", b""),
    "instant missing": lambda document: document.replace(b'"fetched_at":', b'"fetched":'),
    "one word changed": lambda document: document.replace(b"UpToDate", b"Revoked!"),
    "another digest": lambda document: document.replace(b'"digest":"', b'"digest":"00'),
    "no documents": lambda document: document.replace(b'"collateral":', b'"documents":'),
    "not DER": lambda document: document.replace(b'"pck_crl":"30', b'"pck_crl":"31'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_stored_sets_are_left_out(
    upstream: Upstream,
    own: DcapPlatform,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    shelf = Shelf()

    async def ask() -> None:
        await cached(upstream, shelf).gather(own)
        ((key, document),) = shelf.documents.items()
        shelf.documents[key] = damage(document)
        assert shelf.documents[key] != document
        assert not (await cached(upstream, shelf).gather(own)).stale
        assert CacheEntry.decode(shelf.documents[key], origin="here").label.fits(own)

    run(ask())

    assert upstream.asked == 2
    assert len(warnings(caplog)) == 1
    assert "damaged" in warnings(caplog)[0]


def test_a_stored_set_of_another_platform_is_left_out(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf()
    other = replace(own, fmspc=bytes(6))

    async def ask() -> None:
        await cached(upstream, shelf).gather(own)
        ((key, document),) = shelf.documents.items()
        shelf.documents[key.replace(own.fmspc.hex(), other.fmspc.hex())] = document
        await cached(upstream, shelf).gather(other)

    run(ask())

    assert upstream.asked == 2
    (warning,) = warnings(caplog)
    assert "got one for FMSPC 00606a000000, sgx, platform CA" in warning


def test_a_store_that_fails_is_told_once_and_done_without(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(unreadable=True, read_only=True)

    async def ask() -> None:
        cache = cached(upstream, shelf)
        first = await cache.gather(own)
        await cache.gather(own, evaluation=EARLY)
        assert await cache.gather(own) == first

    run(ask())

    assert upstream.asked == 2
    assert warnings(caplog) == ["collateral is kept in memory only: the database is locked"]


def test_a_store_that_works_again_is_used_again(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(read_only=True)

    async def ask() -> None:
        cache = cached(upstream, shelf)
        for evaluation, read_only in (("standard", True), ("early", False), ("18", True)):
            shelf.read_only = read_only
            await cache.gather(own, evaluation=EvaluationSelection(evaluation))

    run(ask())

    assert len(shelf.documents) == 1
    assert len(warnings(caplog)) == 2
