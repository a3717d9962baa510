from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx2
import pytest
from starlette.responses import Response

from assay.endorsements.cache import CollateralCache
from assay.endorsements.intel import verify_collateral
from assay.endorsements.platform import DcapPlatform, Tee
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
)
from assay.endorsements.sources import open_source
from assay.errors import CollateralUnavailableError
from assay.simulator import SimulatedPlatform
from assay.simulator.pcs import pcs_app
from tests.conftest import AT
from tests.servers.recorder import Recorder
from tests.servers.upstream import EARLY, Upstream, cached, certified, hours
from tests.servers.virtual_time import elapsed, run


@pytest.fixture
def upstream(platform: SimulatedPlatform) -> Upstream:
    return Upstream(platform=platform)


@pytest.fixture
def own(platform: SimulatedPlatform) -> DcapPlatform:
    return certified(platform)


@pytest.fixture(scope="module")
def stranger() -> SimulatedPlatform:
    """A platform of the same FMSPC under another root."""
    return SimulatedPlatform.create(AT)


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


def test_who_trusts_another_root_gets_another_set(
    upstream: Upstream, own: DcapPlatform, stranger: SimulatedPlatform
) -> None:
    async def ask() -> None:
        cache = cached(upstream)
        genuine = await cache.gather(own)
        with pytest.raises(CollateralUnavailableError):
            await cache.gather(certified(stranger))
        assert await cache.gather(own) == genuine

    run(ask())

    assert upstream.asked == 2


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
