from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assay.errors import UnknownInstanceError
from assay.store import SERVICE, Author, PrivateEndpointRecord, ProviderRecord, Store
from tests.unit.store.records import AT, INSTANCE, OTHER

_BOB = Author(kind="bearer", name="bob", address="192.0.2.2")
_CAROL = Author(kind="certificate", name="carol")
_PROVIDER = ProviderRecord(
    instance="one", subscription="s", resource_group="Group", created_by=_BOB
)
_CONNECTION = PrivateEndpointRecord(instance="one", name="Link", status="Pending", endpoint="/e")
_LATER = AT + timedelta(hours=1)


@pytest.fixture
def store(upgraded_url: str) -> Iterator[Store]:
    store = Store.open(upgraded_url)
    store.instances.add(INSTANCE, provider=_PROVIDER, by=_BOB)
    store.instances.add(OTHER)
    yield store
    store.close()


def _last(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(list(store.audit.lines())[-1])
    return found


def test_an_instance_is_made_with_its_place(store: Store) -> None:
    kept = store.providers.get("one")

    assert kept == replace(_PROVIDER, created_by=Author(kind="bearer", name="bob"))
    assert store.providers.all() == {"one": kept}
    assert store.providers.get("another") is None


def test_the_audit_record_has_the_place(store: Store) -> None:
    made = json.loads(next(store.audit.lines()))

    assert made["actor"]["name"] == "bob"
    assert made["details"] == {
        "issuer": INSTANCE.issuer,
        "trust_model": "Isolated",
        "subscription": "s",
        "resource_group": "Group",
    }


def test_instances_are_found_in_any_case(store: Store) -> None:
    assert store.instances.find("ONE") == store.instances.get("one")
    assert store.instances.find("nobody") is None


def test_an_update_changes_what_it_names_only(store: Store) -> None:
    store.providers.update("one", tags={"a": "b"}, properties={}, at=_LATER, by=_CAROL)
    tagged = _last(store)
    store.providers.update("one", tags=None, properties={"x": "1"}, at=_LATER, by=_CAROL)
    store.providers.update("one", tags=None, properties={"y": "2"}, at=_LATER, by=_CAROL)

    instance, kept = store.instances.require("one"), store.providers.get("one")
    assert (instance.tags, instance.updated_at) == ({"a": "b"}, _LATER)
    assert kept is not None
    assert kept.properties == {"x": "1", "y": "2"}
    assert (kept.subscription, kept.resource_group) == ("s", "Group")
    assert kept.created_by == Author(kind="bearer", name="bob")
    assert kept.updated_by == _CAROL
    assert (tagged["action"], tagged["details"]) == ("instance.update", {"changed": "tags"})
    assert _last(store)["details"] == {"changed": "y"}


def test_an_update_of_what_was_made_elsewhere_gives_it_no_place(store: Store) -> None:
    store.providers.update("another", tags={}, properties={}, at=AT, by=_CAROL)

    assert store.providers.get("another") == ProviderRecord(instance="another", updated_by=_CAROL)


def test_who_changed_it_last_is_not_who_changed_it_before(store: Store) -> None:
    store.providers.update("one", tags={}, properties={}, at=AT, by=_CAROL)

    store.instances.update(store.instances.require("one"), at=_LATER)

    kept = store.providers.get("one")
    assert kept is not None
    assert kept.created_by == Author(kind="bearer", name="bob")
    assert kept.updated_by == SERVICE


def test_an_update_of_nothing_is_refused_and_undone(store: Store) -> None:
    revision = store.revision()

    with pytest.raises(UnknownInstanceError):
        store.providers.update("nobody", tags={}, properties={}, at=AT, by=_CAROL)

    assert store.revision() == revision


def test_connections_are_kept_replaced_and_removed(store: Store) -> None:
    approved = replace(_CONNECTION, status="Approved", description="mine")
    elsewhere = replace(_CONNECTION, instance="another", name="b")
    before = store.revision()

    store.providers.set_private_endpoint(_CONNECTION, at=AT, by=_CAROL)
    first = store.providers.private_endpoint("one", "LINK")
    store.providers.set_private_endpoint(approved, at=AT, by=_CAROL)
    record = _last(store)
    store.providers.set_private_endpoint(elsewhere, at=AT, by=_CAROL)

    assert first == _CONNECTION
    assert store.providers.private_endpoint("one", "link") == approved
    assert set(store.providers.private_endpoints()) == {approved, elsewhere}
    assert store.providers.private_endpoints("one") == (approved,)
    assert (record["action"], record["target"]) == ("private-endpoint.set", "Link")
    assert record["details"] == {"status": "Approved"}
    assert store.providers.remove_private_endpoint("one", "link", at=AT, by=_CAROL)
    assert _last(store)["action"] == "private-endpoint.remove"
    assert not store.providers.remove_private_endpoint("one", "link", at=AT, by=_CAROL)
    assert store.providers.private_endpoints() == (elsewhere,)
    assert store.revision() > before
    assert len(list(store.audit.lines())) == 6


def test_a_connection_of_no_instance_is_refused(store: Store) -> None:
    nobody = replace(_CONNECTION, instance="nobody")

    with pytest.raises(UnknownInstanceError):
        store.providers.set_private_endpoint(nobody, at=AT, by=_CAROL)


def test_all_of_it_goes_with_the_instance(store: Store) -> None:
    store.providers.set_private_endpoint(_CONNECTION, at=AT, by=_CAROL)

    store.instances.remove("one", at=AT, by=_CAROL)

    assert store.providers.get("one") is None
    assert store.providers.private_endpoints() == ()
