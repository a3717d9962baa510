from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from assay.endorsements.cache_entry import CacheEntry
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import (
    EvaluationSelection,
)
from assay.simulator import SimulatedPlatform
from tests.conftest import AT
from tests.servers.upstream import EARLY, Shelf, Upstream, cached, certified, hours, warnings
from tests.servers.virtual_time import run


@pytest.fixture
def upstream(platform: SimulatedPlatform) -> Upstream:
    return Upstream(platform=platform)


@pytest.fixture
def own(platform: SimulatedPlatform) -> DcapPlatform:
    return certified(platform)


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
    assert "left out" in warnings(caplog)[0]


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


def test_a_stored_set_under_another_root_is_left_out(
    upstream: Upstream, own: DcapPlatform, caplog: pytest.LogCaptureFixture
) -> None:
    shelf, strangers = Shelf(), Shelf()
    stranger = SimulatedPlatform.create(AT)

    async def ask() -> None:
        await cached(Upstream(platform=stranger), strangers).gather(certified(stranger))
        genuine = await cached(upstream, shelf).gather(own)
        ((key, _),) = shelf.documents.items()
        (shelf.documents[key],) = strangers.documents.values()
        found = await cached(upstream, shelf).gather(own)
        assert found.collateral.root_ca_crl == genuine.collateral.root_ca_crl

    run(ask())

    assert upstream.asked == 2
    (warning,) = warnings(caplog)
    assert "left out" in warning
    assert "does not verify" in warning


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
