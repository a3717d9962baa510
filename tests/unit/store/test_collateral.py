from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest
from sqlalchemy.exc import StatementError

from assay.store import Store
from tests.unit.store.records import AT, DOCUMENT


def test_a_document_comes_back_as_it_was_kept(store: Store) -> None:
    store.collateral.put(DOCUMENT)

    assert store.collateral.get(DOCUMENT.key) == DOCUMENT
    assert store.collateral.get("other") is None


def test_a_newer_document_takes_the_place_of_the_older(store: Store) -> None:
    newer = replace(DOCUMENT, document=b"new", fetched_at=AT + timedelta(days=1))
    store.collateral.put(DOCUMENT)
    store.collateral.put(newer)

    assert store.collateral.get(DOCUMENT.key) == newer


def test_documents_that_expired_are_forgotten(store: Store) -> None:
    lasting = replace(DOCUMENT, key="other", expires_at=AT + timedelta(days=60))
    store.collateral.put(DOCUMENT)
    store.collateral.put(lasting)

    assert store.collateral.remove_expired(before=DOCUMENT.expires_at) == 0
    assert store.collateral.remove_expired(before=AT + timedelta(days=31)) == 1

    assert store.collateral.get(DOCUMENT.key) is None
    assert store.collateral.get("other") == lasting


# Instants.


def test_instants_are_kept_in_utc(store: Store) -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    store.collateral.put(replace(DOCUMENT, fetched_at=elsewhere))

    found = store.collateral.get(DOCUMENT.key)
    assert found is not None
    assert found.fetched_at == AT
    assert found.fetched_at.tzinfo is UTC


def test_an_instant_without_time_zone_is_a_mistake(store: Store) -> None:
    with pytest.raises(StatementError, match="with a time zone only"):
        store.collateral.put(replace(DOCUMENT, fetched_at=AT.replace(tzinfo=None)))
