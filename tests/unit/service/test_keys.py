from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.errors import SettingsError
from assay.keys import KeyEncryptionKey, SigningAlgorithm
from assay.service.instances import InstanceDefinition
from assay.service.keys import KeyChest
from assay.store import Store
from tests.conftest import AT

_DEFINITION = InstanceDefinition(name="a", issuer="https://a.example")
_OTHER = InstanceDefinition(name="b", issuer="https://b.example")


@pytest.fixture
def chest(tmp_path: Path) -> Iterator[KeyChest]:
    store = Store.open(f"sqlite:///{tmp_path}/assay.sqlite3")
    store.upgrade()
    yield KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))
    store.close()


def test_the_first_start_makes_a_key_and_later_ones_find_it(chest: KeyChest) -> None:
    chest.prepare(_DEFINITION, SigningAlgorithm.ES256, at=AT)
    made = chest.open("a")

    chest.prepare(_DEFINITION, SigningAlgorithm.ES256, at=AT)

    assert chest.open("a").active.kid == made.active.kid
    assert made.published == (made.active,)
    assert made.active.created_at == AT


def test_instances_have_keys_of_their_own(chest: KeyChest) -> None:
    for definition in (_DEFINITION, _OTHER):
        chest.prepare(definition, SigningAlgorithm.ES256, at=AT)

    assert chest.open("a").active.kid != chest.open("b").active.kid


def test_a_change_of_algorithm_keeps_the_old_key_published(chest: KeyChest) -> None:
    chest.prepare(_DEFINITION, SigningAlgorithm.ES256, at=AT)
    before = chest.open("a")
    chest.prepare(_DEFINITION, SigningAlgorithm.ES384, at=AT)

    after = chest.open("a")

    assert after.active.algorithm is SigningAlgorithm.ES384
    assert [key.kid for key in after.published] == [after.active.kid, before.active.kid]


def test_an_instance_without_a_key_does_not_open(chest: KeyChest) -> None:
    with pytest.raises(SettingsError, match="no active signing key"):
        chest.open("a")


def test_another_key_encryption_key_opens_nothing(chest: KeyChest) -> None:
    chest.prepare(_DEFINITION, SigningAlgorithm.ES256, at=AT)
    other = KeyChest(store=chest.store, key_encryption_key=KeyEncryptionKey(b"x" * 32))

    with pytest.raises(SettingsError, match="did not seal it"):
        other.open("a")


def test_two_instances_cannot_share_a_url(chest: KeyChest) -> None:
    chest.prepare(_DEFINITION, SigningAlgorithm.ES256, at=AT)
    copy = InstanceDefinition(name="c", issuer=_DEFINITION.issuer)

    with pytest.raises(SettingsError, match="taken"):
        chest.prepare(copy, SigningAlgorithm.ES256, at=AT)
