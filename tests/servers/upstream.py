"""A source of collateral whose every answer is decided by the test, and a store that can fail."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from assay.endorsements.cache import CollateralCache, StoredDocuments
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    unavailable,
)
from assay.errors import StoreUnavailableError
from assay.simulator import SimulatedPlatform
from tests.conftest import AT
from tests.servers.virtual_time import clock_from

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


def certified(platform: SimulatedPlatform) -> DcapPlatform:
    """The platform as it is once its certificate is verified."""
    return replace(platform.dcap_platform, anchor=platform.anchors[0])


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
