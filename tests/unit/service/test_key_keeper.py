from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any, Final

import pytest

from assay.errors import (
    OperationRefusedError,
    SettingsError,
    StoreUnavailableError,
    UnknownInstanceError,
)
from assay.keys import KeyCustody, KeyEncryptionKey, SigningAlgorithm
from assay.service.key_keeper import KeyKeeper, KeyKeeping
from assay.service.key_rotation import KeyRotation
from assay.service.key_schedule import LEAD, KeySchedule
from assay.service.keys import KeyChest
from assay.store import InstanceRecord, KeyState, SigningKeyRecord, Store, TrustModel
from tests.administration import ALICE
from tests.conftest import AT
from tests.signing_keys import FakeDevice

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_SCHEDULE: Final = KeySchedule(period=30 * _DAY, overlap=_DAY)
_RECORD: Final = InstanceRecord(
    name="one",
    issuer="https://one.example",
    trust_model=TrustModel.AAD,
    settings={"token_algorithm": "ES256"},
    created_at=AT,
)


@dataclass
class _Server:
    """One process with a keeper, and clocks that the test sets."""

    store: Store
    at: datetime = AT
    steady: float = 0
    device: FakeDevice = field(default_factory=FakeDevice)
    custody: KeyCustody = KeyCustody.SOFTWARE

    def __post_init__(self) -> None:
        self.chest = KeyChest(
            store=self.store,
            key_encryption_key=KeyEncryptionKey(bytes(32)),
            custody=self.custody,
            device=self.device,
            schedule=_SCHEDULE,
        )
        self.rotation = KeyRotation(chest=self.chest, now=lambda: self.at)
        self.keeper = KeyKeeper(self.rotation, steady=lambda: self.steady)

    def pass_time(self, duration: timedelta) -> None:
        self.at += duration
        self.steady += duration.total_seconds()

    def after(self, duration: timedelta) -> None:
        """Look after that time, and see what came of it."""
        self.pass_time(duration)
        self.keeper.look()
        self.keeper.look()

    @property
    def keys(self) -> dict[str, KeyState]:
        return {key.kid: key.state for key in self.records}

    @property
    def records(self) -> tuple[SigningKeyRecord, ...]:
        return self.store.signing_keys.of("one")

    @property
    def states(self) -> list[KeyState]:
        return sorted(key.state for key in self.records)


@pytest.fixture
def store(upgraded_url: str) -> Iterator[Store]:
    with closing(Store.open(upgraded_url)) as store:
        store.instances.add(_RECORD)
        yield store


@pytest.fixture
def server(store: Store) -> _Server:
    server = _Server(store)
    server.chest.prepare("one", at=AT)
    return server


def _actions(store: Store) -> list[str]:
    lines = b"".join(store.audit.lines())
    return [part.split('"')[0] for part in lines.decode().split('"action":"')[1:]]


def test_a_key_goes_through_its_life(server: _Server) -> None:
    [first] = server.keys
    server.after(29 * _DAY)
    [_, second] = server.keys
    assert server.states == [KeyState.ACTIVE, KeyState.PREPARED]

    server.after(_DAY)
    assert server.keys == {first: KeyState.RETIRED, second: KeyState.ACTIVE}

    server.after(_SCHEDULE.retention - _SECOND)
    assert server.keys == {first: KeyState.RETIRED, second: KeyState.ACTIVE}
    server.after(_SECOND)

    assert server.keys == {second: KeyState.ACTIVE}
    assert _actions(server.store) == [
        "instance.create",
        "key.add",
        "key.add",
        "key.retire",
        "key.activate",
        "key.remove",
    ]


def test_nothing_happens_before_it_is_due(server: _Server) -> None:
    server.after(29 * _DAY - _SECOND)

    assert server.states == [KeyState.ACTIVE]
    assert server.store.revision() == 2


def test_a_key_signs_only_when_this_process_has_known_it_for_long_enough(
    server: _Server,
) -> None:
    server.pass_time(_SECOND)
    server.rotation.rotate("one", by=ALICE)
    server.at += 2 * _DAY  # The clock is set, or another server's is wrong.

    server.keeper.look()
    server.steady += LEAD.total_seconds() - 0.1
    server.keeper.look()
    assert server.states == [KeyState.ACTIVE, KeyState.PREPARED]
    server.steady += 0.1
    server.keeper.look()

    assert server.states == [KeyState.ACTIVE, KeyState.RETIRED]


def test_a_restart_begins_to_wait_anew(server: _Server) -> None:
    server.pass_time(_SECOND)
    server.rotation.rotate("one", by=ALICE)
    server.pass_time(2 * _DAY)
    other = _Server(server.store, at=server.at)

    other.keeper.look()

    assert other.states == [KeyState.ACTIVE, KeyState.PREPARED]


def test_an_instance_has_a_schedule_of_its_own(server: _Server) -> None:
    own = {**_RECORD.settings, "key_rotation_days": 2, "key_overlap_hours": 1}
    server.store.instances.update(replace(_RECORD, settings=own), at=AT)

    server.after(2 * _DAY - timedelta(hours=1))
    assert server.states == [KeyState.ACTIVE, KeyState.PREPARED]
    server.after(timedelta(hours=1))

    assert server.states == [KeyState.ACTIVE, KeyState.RETIRED]


def test_a_change_of_algorithm_is_a_rotation(server: _Server) -> None:
    changed = {"token_algorithm": "ES384"}
    server.store.instances.update(replace(_RECORD, settings=changed), at=AT)

    server.after(_SECOND)
    server.after(_DAY)

    retired, active = server.records
    assert (retired.state, active.state) == (KeyState.RETIRED, KeyState.ACTIVE)
    assert active.algorithm is SigningAlgorithm.ES384


def test_a_change_of_algorithm_that_is_taken_back_leaves_nothing(server: _Server) -> None:
    before = server.keys
    for algorithm in ("ES384", "ES256"):
        settings = {"token_algorithm": algorithm}
        server.store.instances.update(replace(_RECORD, settings=settings), at=AT)
        server.after(_SECOND)

    assert server.keys == before


def test_of_two_servers_one_makes_each_step(store: Store, upgraded_url: str) -> None:
    with ExitStack() as stack:
        stores = [stack.enter_context(closing(Store.open(upgraded_url))) for _ in range(2)]
        servers = [_Server(one) for one in stores]
        servers[0].chest.prepare("one", at=AT)
        for server in servers:
            server.keeper.look()
        for duration in (29 * _DAY, _DAY, _SCHEDULE.retention):
            for server in servers:
                server.pass_time(duration)
            _at_once([server.keeper.look for server in servers])
            for server in servers:
                server.keeper.look()

    assert _actions(store).count("key.add") == 2
    assert _actions(store).count("key.activate") == 1
    assert _actions(store).count("key.remove") == 1


def _at_once(calls: list[Callable[[], None]]) -> None:
    barrier = Barrier(len(calls))

    def run(call: Callable[[], None]) -> None:
        barrier.wait()
        call()

    threads = [Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class _SlowDevice(FakeDevice):
    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def generate(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  as the device does
        self.meanwhile()
        return super().generate(*arguments, **options)


def test_who_is_slower_leaves_no_key_behind_in_the_token(store: Store) -> None:
    faster = _Server(store, custody=KeyCustody.TOKEN)
    faster.chest.prepare("one", at=AT)
    slow = _SlowDevice(lambda: faster.after(29 * _DAY))
    slower = _Server(store, custody=KeyCustody.TOKEN, device=slow)

    slower.after(29 * _DAY)

    assert len(faster.device.keys) == 2
    assert slow.labels == ["assay one"]
    assert slow.keys == {}


def test_a_key_that_is_gone_is_gone_from_the_token(store: Store) -> None:
    server = _Server(store, custody=KeyCustody.TOKEN)
    server.chest.prepare("one", at=AT)

    for duration in (29 * _DAY, _DAY, _SCHEDULE.retention):
        server.after(duration)

    assert len(server.device.keys) == 1


class _BrokenDevice(FakeDevice):
    def generate(self, *_: object, **__: object) -> Any:  # noqa: ANN401  it raises
        self.labels.append("tried")
        raise SettingsError("the token is away")


def test_a_step_that_fails_is_told_and_tried_again_later(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    _Server(store).chest.prepare("one", at=AT)
    server = _Server(store, custody=KeyCustody.TOKEN, device=_BrokenDevice())

    for duration in (29 * _DAY, _SECOND, timedelta(seconds=29)):
        server.after(duration)

    assert len(server.device.labels) == 2
    assert server.states == [KeyState.ACTIVE]
    assert [record.getMessage() for record in caplog.records] == [
        "the signing keys of instance 'one' stay as they are: the token is away"
    ] * 2


def test_an_instance_whose_settings_are_not_understood_keeps_the_others_going(
    server: _Server, caplog: pytest.LogCaptureFixture
) -> None:
    broken = replace(_RECORD, name="a", issuer="https://a", settings={"unknown": 1})
    server.store.instances.add(broken)

    server.after(29 * _DAY)

    assert server.states == [KeyState.ACTIVE, KeyState.PREPARED]
    assert caplog.text.count("'a' stay as they are") == 1


# By hand.


def test_a_key_that_is_rotated_waits_and_then_signs(server: _Server) -> None:
    made = server.rotation.rotate("one", by=ALICE)
    server.keeper.look()
    assert server.states == [KeyState.ACTIVE, KeyState.PREPARED]

    server.after(_DAY)

    assert server.keys[made.kid] is KeyState.ACTIVE


def test_a_key_is_not_rotated_twice_at_once(server: _Server) -> None:
    server.rotation.rotate("one", by=ALICE)

    with pytest.raises(OperationRefusedError, match="has a prepared key already"):
        server.rotation.rotate("one", by=ALICE)


def test_nothing_is_rotated_where_there_is_nothing(store: Store) -> None:
    server = _Server(store)

    with pytest.raises(UnknownInstanceError):
        server.rotation.rotate("none", by=ALICE)
    with pytest.raises(SettingsError, match="no active signing key"):
        server.rotation.rotate("one", by=ALICE)


@pytest.mark.parametrize("custody", [KeyCustody.SOFTWARE, KeyCustody.TOKEN])
def test_a_compromised_key_and_all_beside_it_are_replaced(
    store: Store, custody: KeyCustody
) -> None:
    server = _Server(store, custody=custody)
    server.chest.prepare("one", at=AT)
    server.rotation.rotate("one", by=ALICE)
    server.keeper.look()
    server.after(_DAY)
    server.pass_time(_SECOND)
    server.rotation.rotate("one", by=ALICE)
    before = server.keys
    waited: list[tuple[float, list[KeyState]]] = []

    replaced = server.rotation.replace(
        "one", by=ALICE, wait=lambda seconds: waited.append((seconds, server.states))
    )

    [left] = server.keys
    assert left == replaced.key.kid
    assert left not in before
    assert waited == [
        (LEAD.total_seconds(), [KeyState.ACTIVE, KeyState.PREPARED, KeyState.RETIRED]),
    ]
    assert {key.state for key in replaced.dropped} == {KeyState.RETIRED, KeyState.ACTIVE}
    assert len(server.device.keys) == (custody is KeyCustody.TOKEN)


def test_a_replacement_that_somebody_else_undoes_is_told(server: _Server) -> None:
    def meddle(_seconds: float) -> None:
        for key in server.records:
            server.store.signing_keys.remove("one", key.kid, at=AT)

    with pytest.raises(OperationRefusedError, match="at the same moment"):
        server.rotation.replace("one", by=ALICE, wait=meddle)

    assert server.states == [KeyState.ACTIVE]


def test_a_replacement_that_somebody_else_is_at_is_told(store: Store) -> None:
    other = _Server(store, custody=KeyCustody.SOFTWARE)
    other.chest.prepare("one", at=AT)
    slow = _SlowDevice(lambda: other.rotation.rotate("one", by=ALICE))
    server = _Server(store, custody=KeyCustody.TOKEN, device=slow)

    with pytest.raises(OperationRefusedError, match="at the same moment"):
        server.rotation.replace("one", by=ALICE, wait=lambda _seconds: None)

    assert slow.keys == {}


# The thread.


class _Keeper:
    def __init__(self) -> None:
        self.looks = 0

    def look(self) -> None:
        self.looks += 1
        raise StoreUnavailableError("away")


def test_the_thread_goes_on_without_the_database_and_ends_when_told() -> None:
    keeper = _Keeper()
    keeping = KeyKeeping(keeper)  # type: ignore[arg-type]
    keeping.start()
    deadline = time.monotonic() + 10
    while not keeper.looks:
        assert time.monotonic() < deadline
        time.sleep(0.001)

    keeping.close()

    assert keeper.looks == 1


def test_a_thread_that_never_began_ends_at_once() -> None:
    KeyKeeping(_Keeper()).close()  # type: ignore[arg-type]
