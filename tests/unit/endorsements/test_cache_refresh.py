from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from assay.endorsements.cache import CollateralCache
from assay.endorsements.intel import verify_collateral
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
)
from assay.errors import CollateralUnavailableError
from assay.simulator import SimulatedPlatform
from tests.conftest import AT
from tests.servers.upstream import Upstream, cached, certified, hours, settle, warnings
from tests.servers.virtual_time import elapsed, run


@pytest.fixture
def upstream(platform: SimulatedPlatform) -> Upstream:
    return Upstream(platform=platform)


@pytest.fixture
def own(platform: SimulatedPlatform) -> DcapPlatform:
    return certified(platform)


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


# Nothing that does not verify


def test_a_set_that_does_not_verify_takes_the_place_of_none_that_does(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = SimulatedPlatform.create(AT)

    async def ask() -> None:
        cache = cached(upstream)
        first = await cache.gather(own)
        genuine, upstream.platform = upstream.platform, stranger
        await hours(24)
        assert await cache.gather(own) == first
        upstream.platform = genuine
        await hours(1)
        await cache.gather(own)
        await settle()
        assert (await cache.gather(own)).fetched_at > first.fetched_at

    run(ask())

    (warning,) = warnings(caplog)
    assert "collateral of upstream does not verify: dcap." in warning


def test_nothing_is_gone_back_behind_a_set_that_does_not_verify(
    upstream: Upstream, own: DcapPlatform
) -> None:
    genuine, upstream.platform = upstream.platform, SimulatedPlatform.create(AT)
    upstream.number = 99

    async def ask() -> None:
        cache = cached(upstream)
        with pytest.raises(CollateralUnavailableError, match="does not verify") as caught:
            await cache.gather(own)
        assert caught.value.findings
        upstream.platform, upstream.number = genuine, None
        await hours(0.01)
        found = await cache.gather(own)
        verify_collateral(found.collateral, roots=genuine.anchors)

    run(ask())
