from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from assay.encoding import JsonValue
from assay.errors import SettingsError, UnknownInstanceError
from assay.keys import KeyCustody, KeyEncryptionKey, SigningAlgorithm
from assay.service.instances import InstanceKeys
from assay.service.key_schedule import LONGEST_REPORT, LONGEST_TOKEN, KeySchedule
from assay.service.keys import KeyChest, NewKey
from assay.store import InstanceRecord, KeyState, SentPolicy, Store, TrustModel
from assay.token import SigningAuthority
from tests.administration import ALICE
from tests.conftest import AT
from tests.signing_keys import FakeDevice

_ES256: Final[dict[str, JsonValue]] = {"token_algorithm": "ES256"}
_DAY = timedelta(days=1)


@cache
def _authority() -> SigningAuthority:
    return SigningAuthority.of(ec.generate_private_key(ec.SECP256R1()))


def _record(name: str) -> InstanceRecord:
    return InstanceRecord(
        name=name,
        issuer=f"https://{name}.example",
        trust_model=TrustModel.AAD,
        settings=_ES256,
        created_at=AT,
    )


@pytest.fixture
def chest(upgraded_sqlite: str) -> Iterator[KeyChest]:
    store = Store.open(upgraded_sqlite)
    for name in ("a", "b"):
        store.instances.add(_record(name))
    yield KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))
    store.close()


def _open(chest: KeyChest, instance: str = "a") -> InstanceKeys:
    return chest.open(instance, chest.store.signing_keys.of(instance))


def _delegating(chest: KeyChest, **changes: Any) -> KeyChest:  # noqa: ANN401  fields by name
    return replace(chest, custody=KeyCustody.DELEGATED, authority=_authority, **changes)


def _leaf(keys: InstanceKeys, issuer: str = "https://a.example") -> x509.Certificate:
    return x509.load_der_x509_certificate(keys.chain(keys.active, issuer)[0])


def test_the_first_start_makes_a_key_and_later_ones_find_it(chest: KeyChest) -> None:
    chest.prepare("a", at=AT)
    made = _open(chest)

    chest.prepare("a", at=AT)

    assert _open(chest).active.kid == made.active.kid
    assert made.published == (made.active,)
    assert made.active.created_at == AT
    assert made.active.algorithm is SigningAlgorithm.ES256


def test_instances_have_keys_of_their_own(chest: KeyChest) -> None:
    for name in ("a", "b"):
        chest.prepare(name, at=AT)

    assert _open(chest, "a").active.kid != _open(chest, "b").active.kid


def test_what_signs_is_published_first(chest: KeyChest) -> None:
    chest.prepare("a", at=AT)
    wanted = NewKey.of(_record("a"), KeySchedule())
    before = chest.make(wanted, KeyState.RETIRED, at=AT - _DAY)
    chest.store.signing_keys.add(before)

    keys = _open(chest)

    assert [key.kid for key in keys.published] == [keys.active.kid, before.kid]


def test_an_instance_without_a_key_does_not_open(chest: KeyChest) -> None:
    with pytest.raises(SettingsError, match="no active signing key"):
        _open(chest)


def test_another_key_encryption_key_opens_nothing(chest: KeyChest) -> None:
    chest.prepare("a", at=AT)
    other = KeyChest(store=chest.store, key_encryption_key=KeyEncryptionKey(b"x" * 32))

    with pytest.raises(SettingsError, match="did not seal it"):
        _open(other)


def test_a_key_needs_its_instance(chest: KeyChest) -> None:
    with pytest.raises(UnknownInstanceError):
        chest.prepare("c", at=AT)


# Delegated keys.


def test_a_delegated_key_is_published_with_the_chain_of_its_authority(chest: KeyChest) -> None:
    delegating = _delegating(chest)
    delegating.prepare("a", at=AT)
    keys = _open(delegating)

    leaf, root = (
        x509.load_der_x509_certificate(one) for one in keys.chain(keys.active, "https://a.example")
    )

    assert leaf.public_key() == keys.active.public_key
    assert root == _authority().certificate
    leaf.verify_directly_issued_by(root)


def test_a_delegated_key_needs_no_authority_to_sign_or_to_be_published(chest: KeyChest) -> None:
    _delegating(chest).prepare("a", at=AT)

    keys = _open(chest)

    assert len(keys.chain(keys.active, "https://a.example")) == 2
    assert keys.active.sign(b"data")


def test_a_delegated_key_is_sealed_like_any_other(chest: KeyChest) -> None:
    _delegating(chest).prepare("a", at=AT)
    other = KeyChest(store=chest.store, key_encryption_key=KeyEncryptionKey(b"x" * 32))

    with pytest.raises(SettingsError, match="did not seal it"):
        _open(other)


def test_the_certificate_outlives_the_key_and_a_missed_rotation(chest: KeyChest) -> None:
    schedule = KeySchedule(period=30 * _DAY, overlap=_DAY)
    _delegating(chest, schedule=schedule).prepare("a", at=AT)

    leaf = _leaf(_open(chest))

    assert leaf.not_valid_before_utc < AT
    assert leaf.not_valid_after_utc > AT + 61 * _DAY


def test_a_delegated_key_that_would_live_for_ever_is_not_made(chest: KeyChest) -> None:
    with pytest.raises(SettingsError, match="rotation_days is 0"):
        _delegating(chest, schedule=KeySchedule(period=None)).prepare("a", at=AT)


def test_an_instance_with_a_new_url_has_its_key_certified_anew(chest: KeyChest) -> None:
    delegating = _delegating(chest)
    delegating.prepare("a", at=AT)
    before = _open(chest)
    moved = replace(_record("a"), issuer="https://moved.example")
    chest.store.instances.update(moved, at=AT)

    delegating.prepare("a", at=AT)

    after = _open(chest)
    [name] = _leaf(after).subject
    assert name.value == "https://moved.example"
    assert after.active.kid == before.active.kid


def test_an_authority_has_to_be_named(chest: KeyChest) -> None:
    nameless = replace(chest, custody=KeyCustody.DELEGATED)

    with pytest.raises(SettingsError, match=r"name one in pkcs11\.key"):
        nameless.check()


# Keys in a token.


def test_a_key_in_a_token_stays_there(chest: KeyChest) -> None:
    device = FakeDevice()
    in_token = replace(chest, custody=KeyCustody.TOKEN, device=device)
    in_token.check()
    in_token.prepare("a", at=AT)
    [record] = chest.store.signing_keys.of("a")

    keys = _open(in_token)

    [(identifier, made)] = device.keys.items()
    assert keys.active.public_key == made.public_key()
    assert identifier not in record.sealed
    assert device.labels == ["assay a"]


def test_a_key_in_a_token_needs_the_token(chest: KeyChest) -> None:
    replace(chest, custody=KeyCustody.TOKEN, device=FakeDevice()).prepare("a", at=AT)

    with pytest.raises(SettingsError, match=r"set pkcs11\.module"):
        _open(chest)


def test_a_reference_of_another_key_is_refused(chest: KeyChest) -> None:
    in_token = replace(chest, custody=KeyCustody.TOKEN, device=FakeDevice())
    for name in ("a", "b"):
        in_token.prepare(name, at=AT)
    [mine], [other] = (chest.store.signing_keys.of(name) for name in ("a", "b"))

    with pytest.raises(SettingsError, match="did not seal it"):
        in_token.open("a", [replace(mine, sealed=other.sealed)])


@pytest.mark.parametrize("custody", KeyCustody)
def test_what_is_discarded_is_gone_from_the_token_alone(
    chest: KeyChest, custody: KeyCustody
) -> None:
    device = FakeDevice()
    keeping = replace(chest, custody=custody, device=device, authority=_authority)
    record = keeping.make(NewKey.of(_record("a"), KeySchedule()), KeyState.PREPARED, at=AT)
    made = len(device.keys)

    keeping.discard(record)

    assert made == (custody is KeyCustody.TOKEN)
    assert device.keys == {}


def test_a_key_that_cannot_be_destroyed_is_told_and_stops_nothing(
    chest: KeyChest, caplog: pytest.LogCaptureFixture
) -> None:
    in_token = replace(chest, custody=KeyCustody.TOKEN, device=FakeDevice())
    record = in_token.make(NewKey.of(_record("a"), KeySchedule()), KeyState.RETIRED, at=AT)

    chest.discard(record)

    assert f"signing key {record.kid} of instance 'a', which is gone, is left" in caplog.text


class _SlowDevice(FakeDevice):
    def __init__(self, chest: KeyChest) -> None:
        super().__init__()
        self.chest = chest

    def generate(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  as the device does
        self.chest.prepare("a", at=AT)
        return super().generate(*arguments, **options)


def test_of_two_first_starts_the_slower_leaves_nothing_in_the_token(chest: KeyChest) -> None:
    slow = _SlowDevice(chest)

    replace(chest, custody=KeyCustody.TOKEN, device=slow).prepare("a", at=AT)

    assert slow.labels == ["assay a"]
    assert slow.keys == {}
    assert len(_open(chest).published) == 1


def test_the_settings_of_an_instance_outrank_the_servers() -> None:
    own: dict[str, JsonValue] = {**_ES256, "key_rotation_days": 7, "key_overlap_hours": 1}
    silent, told = (
        NewKey.of(replace(_record("a"), settings=settings), KeySchedule()).schedule
        for settings in (_ES256, own)
    )
    never = replace(_record("a"), settings={"key_rotation_days": 0})

    assert silent == KeySchedule()
    assert told == KeySchedule(period=7 * _DAY, overlap=timedelta(hours=1))
    assert NewKey.of(never, KeySchedule()).schedule.period is None


def test_keys_that_may_have_signed_reports_on_tpms_stay_as_long_as_reports(
    chest: KeyChest,
) -> None:
    def longest(name: str) -> timedelta:
        return chest.wanted(chest.store.instances.require(name)).schedule.longest_token

    before = longest("a")
    policy = SentPolicy(jws=b"a.b.c", text_hash="h")
    chest.store.policies.change("a", "SgxEnclave", policy, at=AT, by=ALICE)
    other = longest("a")
    chest.store.policies.change("a", "Tpm", policy, at=AT, by=ALICE)
    # Also when it is gone: reports of before are still out there.
    reset = SentPolicy(jws=b"a..", text_hash=None)
    chest.store.policies.change("a", "Tpm", reset, at=AT, by=ALICE)

    assert before == other == longest("b") == LONGEST_TOKEN
    assert longest("a") == LONGEST_REPORT >= timedelta(days=365)
