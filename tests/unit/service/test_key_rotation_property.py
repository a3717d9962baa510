"""Two servers with clocks that differ, over one store that each sees a little late.

Whatever the schedule, and whoever looks when: an instance has exactly one active key, no key
signs before every server publishes it, and every token finds its key for as long as it is valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.keys import KeyEncryptionKey
from assay.service.key_keeper import KeyKeeper
from assay.service.key_rotation import KeyRotation
from assay.service.key_schedule import KeySchedule
from assay.service.keys import KeyChest
from assay.store import (
    SERVICE,
    Author,
    InstanceRecord,
    KeyState,
    SigningKeyRecord,
    TrustModel,
)
from assay.token import ATTESTATION_LIFETIME
from tests.conftest import AT

_RECORD: Final = InstanceRecord(
    name="one",
    issuer="https://one.example",
    trust_model=TrustModel.AAD,
    settings={"token_algorithm": "ES256"},
    created_at=AT,
)
_LAG: Final = timedelta(seconds=1)
"""Four times as long as a server takes to look."""


class _Keys:
    """The table of keys as the store has it, without a database."""

    def __init__(self) -> None:
        self.records: tuple[SigningKeyRecord, ...] = ()
        self.revision = 0

    def all(self) -> tuple[SigningKeyRecord, ...]:
        return self.records

    def of(self, _instance: str) -> tuple[SigningKeyRecord, ...]:
        return self.records

    def active(self, _instance: str) -> SigningKeyRecord | None:
        return next((key for key in self.records if key.state is KeyState.ACTIVE), None)

    def prepare(self, record: SigningKeyRecord, *, after: str, by: Author = SERVICE) -> bool:
        del by
        states = {key.kid: key.state for key in self.records}
        if states.get(after) is not KeyState.ACTIVE or KeyState.PREPARED in states.values():
            return False
        return self._keep((*self.records, record))

    def activate(
        self,
        _instance: str,
        kid: str,
        *,
        at: datetime,
        by: Author = SERVICE,
        drop_others: bool = False,
    ) -> bool:
        del by
        state = {key.kid: key.state for key in self.records}.get(kid)
        if state is not KeyState.PREPARED and not (drop_others and state is KeyState.ACTIVE):
            return False
        changed = []
        for key in self.records:
            if key.kid == kid and state is KeyState.PREPARED:
                changed.append(replace(key, state=KeyState.ACTIVE, activated_at=at))
            elif key.state is KeyState.ACTIVE and not drop_others:
                changed.append(replace(key, state=KeyState.RETIRED, retired_at=at))
            elif key.kid == kid or not drop_others:
                changed.append(key)
        return self._keep(tuple(changed))

    def remove(self, _instance: str, kid: str, *, at: datetime, by: Author = SERVICE) -> bool:
        del at, by
        left = tuple(key for key in self.records if key.kid != kid or key.state is KeyState.ACTIVE)
        return len(left) < len(self.records) and self._keep(left)

    def get_or_create_active(
        self, _instance: str, create: Callable[[], SigningKeyRecord]
    ) -> SigningKeyRecord:
        self._keep((create(),))
        return self.records[0]

    def _keep(self, records: tuple[SigningKeyRecord, ...]) -> bool:
        self.records = records
        self.revision += 1
        return True


class _Instances:
    def all(self) -> tuple[InstanceRecord, ...]:
        return (_RECORD,)

    def require(self, _name: str) -> InstanceRecord:
        return _RECORD


class _Policies:
    def instances_with(self, _attestation_type: str) -> frozenset[str]:
        return frozenset()


class _Store:
    def __init__(self) -> None:
        self.policies = _Policies()
        self.signing_keys = _Keys()
        self.instances = _Instances()

    def revision(self) -> int:
        return self.signing_keys.revision


@dataclass(frozen=True)
class _Event:
    pause: timedelta
    looks: tuple[int, ...]
    """Which servers look, in their order."""

    lags: tuple[timedelta, timedelta]
    act: str


_PAUSES: Final = [
    timedelta(seconds=0.1),
    timedelta(seconds=1),
    timedelta(seconds=4.9),
    timedelta(seconds=5),
    timedelta(minutes=30),
    timedelta(hours=7, minutes=58),
    timedelta(hours=8),
    timedelta(days=1),
    timedelta(days=6),
    timedelta(days=100),
]
_LAGS: Final = st.timedeltas(min_value=timedelta(0), max_value=_LAG)
_EVENTS: Final = st.builds(
    _Event,
    pause=st.sampled_from(_PAUSES),
    looks=st.sampled_from([(), (0,), (1,), (0, 1), (1, 0)]),
    lags=st.tuples(_LAGS, _LAGS),
    act=st.sampled_from(["", "", "", "", "rotate", "replace"]),
)
_SCHEDULES: Final = st.builds(
    KeySchedule,
    period=st.sampled_from([None, *map(timedelta, (0.1, 1, 7, 90))]),
    overlap=st.sampled_from([timedelta(hours=hours) for hours in (0, 1, 24)]),
)
_SKEWS: Final = st.timedeltas(min_value=timedelta(minutes=-2), max_value=timedelta(minutes=2))


class _World:
    """Two servers, what each knows, and every token that they have signed."""

    def __init__(self, schedule: KeySchedule, skews: tuple[timedelta, timedelta]) -> None:
        self.store = _Store()
        self.at = AT
        self.skews = skews
        self.seen: list[tuple[datetime, tuple[SigningKeyRecord, ...]]] = []
        self.tokens: list[tuple[str, datetime]] = []
        self.dropped: set[str] = set()
        chest = KeyChest(
            store=self.store,  # type: ignore[arg-type]
            key_encryption_key=KeyEncryptionKey(bytes(32)),
            schedule=schedule,
        )
        chest.prepare("one", at=AT)
        self.rotations = [
            KeyRotation(chest=chest, now=lambda skew=skew: self.at + skew)  # type: ignore[misc]
            for skew in skews
        ]
        self.keepers = [KeyKeeper(rotation, steady=self.steady) for rotation in self.rotations]
        self.note()

    def steady(self) -> float:
        return (self.at - AT).total_seconds()

    def note(self) -> None:
        self.seen.append((self.at, self.store.signing_keys.records))

    def pause(self, duration: timedelta) -> None:
        self.at += duration

    def act(self, event: _Event) -> None:
        rotation = self.rotations[0]
        prepared = any(key.state is KeyState.PREPARED for key in self.store.signing_keys.records)
        if event.act == "rotate" and not prepared:
            rotation.rotate("one", by=SERVICE)
        elif event.act == "replace":
            replaced = rotation.replace("one", by=SERVICE, wait=self._wait)
            self.dropped |= {key.kid for key in replaced.dropped}

    def _wait(self, seconds: float) -> None:
        self.note()
        self.pause(timedelta(seconds=seconds))

    def known(self, lag: timedelta) -> tuple[SigningKeyRecord, ...]:
        """What a server that is so late knows."""
        return [records for at, records in self.seen if at <= max(AT, self.at - lag)][-1]

    def check(self, lags: tuple[timedelta, timedelta]) -> None:
        views = [self.known(lag) for lag in lags]
        for view in views:
            [active] = [key.kid for key in view if key.state is KeyState.ACTIVE]
            self.tokens.append((active, self.at + ATTESTATION_LIFETIME))
            assert sum(key.state is KeyState.PREPARED for key in view) <= 1
        published = [{key.kid for key in view} for view in views]
        self.tokens = [
            (kid, end) for kid, end in self.tokens if self.at < end and kid not in self.dropped
        ]
        for kid, _ in self.tokens:
            assert all(kid in kids for kids in published)


def _event(pause: timedelta, *looks: int, act: str = "", late: timedelta = timedelta(0)) -> _Event:
    return _Event(pause=pause, looks=looks, lags=(late, timedelta(0)), act=act)


# The clock of the server that removes a key is ahead, of the one that retired it behind.
_APART: Final = (timedelta(minutes=-2), timedelta(minutes=2))
_REMOVED_EARLY: Final = [
    _event(timedelta(0), act="rotate"),
    _event(timedelta(0), 0),
    _event(timedelta(seconds=5), 0, late=_LAG),
    _event(timedelta(hours=7, minutes=58), 1),
]


@pytest.mark.property
@example(
    schedule=KeySchedule(period=None, overlap=timedelta(0)), skews=_APART, events=_REMOVED_EARLY
)
@given(
    schedule=_SCHEDULES,
    skews=st.tuples(_SKEWS, _SKEWS),
    events=st.lists(_EVENTS, min_size=1, max_size=40),
)
def test_one_key_signs_and_every_token_finds_its_key(
    schedule: KeySchedule, skews: tuple[timedelta, timedelta], events: list[_Event]
) -> None:
    world = _World(schedule, skews)

    for event in events:
        world.pause(event.pause)
        for number in event.looks:
            world.keepers[number].look()
            world.note()
        world.act(event)
        world.note()
        world.check(event.lags)
