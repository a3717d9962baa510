from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from assay.errors import OperationRefusedError, SettingsError, UnknownInstanceError
from assay.service.providers import (
    ProviderAddress,
    ProviderService,
    WantedProvider,
    normal_location,
)
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.store import Author, InstanceRecord, Store
from tests.administration import ALICE, add_instance, make_record
from tests.management import SUBSCRIPTION, make_providers

_ADDRESS = ProviderAddress(subscription=SUBSCRIPTION, resource_group="g", name="mine")
_WANTED = WantedProvider(location="here", tags={"a": "b"})


@pytest.fixture
def providers(upgraded_url: str) -> Iterator[ProviderService]:
    store = Store.open(upgraded_url)
    add_instance(store, make_record("aad"))
    yield make_providers(store)
    store.close()


class _Overtaken(ProvisioningService):
    """Somebody else is faster."""

    def create(self, wanted: NewInstance, *, by: Author) -> InstanceRecord:
        ProvisioningService.create(self, wanted, by=by)
        raise SettingsError("its name is taken")


def _overtaken(providers: ProviderService) -> ProviderService:
    real = providers.provisioning
    return replace(providers, provisioning=_Overtaken(chest=real.chest, now=real.now))


def test_of_two_who_make_the_same_one_makes_it(providers: ProviderService) -> None:
    found, made = _overtaken(providers).put(_ADDRESS, _WANTED, by=ALICE)

    assert not made
    assert found.instance.tags == {"a": "b"}


def test_of_two_who_make_another_one_is_refused(providers: ProviderService) -> None:
    elsewhere = replace(_ADDRESS, resource_group="another")
    providers.put(elsewhere, _WANTED, by=ALICE)

    with pytest.raises(OperationRefusedError) as caught:
        providers.put(_ADDRESS, _WANTED, by=ALICE)

    assert caught.value.findings[0].check == "management.provider.taken"


def test_what_is_deleted_while_it_is_changed_is_unknown(providers: ProviderService) -> None:
    providers.put(_ADDRESS, _WANTED, by=ALICE)
    assert providers.delete(_ADDRESS, by=ALICE)

    assert not providers.delete(_ADDRESS, by=ALICE)
    with pytest.raises(UnknownInstanceError):
        providers.update(_ADDRESS, tags={}, properties={}, by=ALICE)


def test_an_operator_is_the_author_of_what_they_make(providers: ProviderService) -> None:
    operator = Author(kind="operator", name="root")
    wanted = NewInstance(name="local", issuer="https://local.example")
    providers.provisioning.create(wanted, by=operator)

    found = providers.get(
        ProviderAddress(subscription=SUBSCRIPTION, resource_group="HOME", name="LOCAL")
    )

    assert found.created_by == operator
    assert found.location == "local"


@pytest.mark.parametrize("text", ["West US", "westus", " WESTUS", "west\tus"])
def test_a_location_has_several_spellings(text: str) -> None:
    assert normal_location(text) == "westus"
