from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.errors import SettingsError
from assay.keys import KeyEncryptionKey, SigningAlgorithm
from assay.service.instances import InstanceKeys
from assay.service.keys import KeyChest
from assay.store import InstanceRecord, Store, TrustModel
from tests.conftest import AT


@pytest.fixture
def chest(tmp_path: Path) -> Iterator[KeyChest]:
    store = Store.open(f"sqlite:///{tmp_path}/assay.sqlite3")
    store.upgrade()
    for name in ("a", "b"):
        store.instances.add(
            InstanceRecord(
                name=name,
                issuer=f"https://{name}.example",
                trust_model=TrustModel.AAD,
                created_at=AT,
            )
        )
    yield KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))
    store.close()


def _open(chest: KeyChest, instance: str) -> InstanceKeys:
    return chest.open(instance, chest.store.signing_keys.of(instance))


def test_the_first_start_makes_a_key_and_later_ones_find_it(chest: KeyChest) -> None:
    chest.prepare("a", SigningAlgorithm.ES256, at=AT)
    made = _open(chest, "a")

    chest.prepare("a", SigningAlgorithm.ES256, at=AT)

    assert _open(chest, "a").active.kid == made.active.kid
    assert made.published == (made.active,)
    assert made.active.created_at == AT


def test_instances_have_keys_of_their_own(chest: KeyChest) -> None:
    for name in ("a", "b"):
        chest.prepare(name, SigningAlgorithm.ES256, at=AT)

    assert _open(chest, "a").active.kid != _open(chest, "b").active.kid


def test_a_change_of_algorithm_keeps_the_old_key_published(chest: KeyChest) -> None:
    chest.prepare("a", SigningAlgorithm.ES256, at=AT)
    before = _open(chest, "a")
    chest.prepare("a", SigningAlgorithm.ES384, at=AT)

    after = _open(chest, "a")

    assert after.active.algorithm is SigningAlgorithm.ES384
    assert [key.kid for key in after.published] == [after.active.kid, before.active.kid]


def test_an_instance_without_a_key_does_not_open(chest: KeyChest) -> None:
    with pytest.raises(SettingsError, match="no active signing key"):
        _open(chest, "a")


def test_another_key_encryption_key_opens_nothing(chest: KeyChest) -> None:
    chest.prepare("a", SigningAlgorithm.ES256, at=AT)
    other = KeyChest(store=chest.store, key_encryption_key=KeyEncryptionKey(b"x" * 32))

    with pytest.raises(SettingsError, match="did not seal it"):
        _open(other, "a")


def test_a_key_needs_its_instance(chest: KeyChest) -> None:
    with pytest.raises(SettingsError, match="instance 'c' is missing"):
        chest.prepare("c", SigningAlgorithm.ES256, at=AT)
