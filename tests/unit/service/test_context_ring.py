from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from assay.errors import SettingsError
from assay.keys import KeyEncryptionKey
from assay.service.context_ring import AnsweredChallenges, ContextKeyRing
from assay.service.keys import KeyChest
from assay.store import Store
from tests.conftest import AT

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class _Clock:
    def __init__(self) -> None:
        self.at: datetime = AT

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def chest(upgraded_url: str) -> Iterator[KeyChest]:
    with closing(Store.open(upgraded_url)) as store:
        yield KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))


def test_the_first_who_asks_makes_a_key_and_all_servers_have_it(
    chest: KeyChest, clock: _Clock
) -> None:
    first, second = ContextKeyRing(chest, clock), ContextKeyRing(chest, clock)

    key = first.current()

    assert second.find(key.name) == key
    assert second.current() == key
    assert first.current() == key


def test_a_key_seals_for_a_day_and_opens_a_little_longer(chest: KeyChest, clock: _Clock) -> None:
    ring = ContextKeyRing(chest, clock)
    old = ring.current()
    clock.at += _DAY
    new = ring.current()

    assert new != old
    assert ring.find(old.name) == old
    clock.at += timedelta(minutes=10)
    assert ring.find(old.name) is None
    assert ring.find(new.name) == new


def test_keys_that_open_nothing_more_are_forgotten(chest: KeyChest, clock: _Clock) -> None:
    ring = ContextKeyRing(chest, clock)
    ring.current()
    clock.at += 2 * _DAY
    new = ring.current()

    assert [record.name for record in chest.store.context_keys.all()] == [new.name]


def test_names_that_nobody_gave_do_not_ask_the_database_each_time(
    chest: KeyChest, clock: _Clock
) -> None:
    ring = ContextKeyRing(chest, clock)
    assert ring.find("unknown") is None
    other = ContextKeyRing(chest, clock).current()

    assert ring.find(other.name) is None
    clock.at += _SECOND
    assert ring.find(other.name) == other


def test_another_key_encryption_key_opens_nothing(chest: KeyChest, clock: _Clock) -> None:
    ContextKeyRing(chest, clock).current()
    other = KeyChest(store=chest.store, key_encryption_key=KeyEncryptionKey(b"\1" * 32))

    with pytest.raises(SettingsError):
        ContextKeyRing(other, clock).current()


def test_a_challenge_is_accepted_once_within_its_life() -> None:
    answered = AnsweredChallenges()

    assert answered.accept(b"one", at=AT)
    assert not answered.accept(b"one", at=AT + timedelta(minutes=4))
    assert answered.accept(b"two", at=AT)
    assert answered.accept(b"one", at=AT + timedelta(minutes=5))


def test_what_is_remembered_is_bounded() -> None:
    answered = AnsweredChallenges(capacity=2)

    for challenge in (b"one", b"two", b"three"):
        assert answered.accept(challenge, at=AT)

    assert answered.accept(b"one", at=AT)
    assert not answered.accept(b"three", at=AT)
