from __future__ import annotations

from collections.abc import Iterator

import pytest

from assay.store import Store
from tests.unit.store.records import INSTANCE, SIGNER


@pytest.fixture
def store(upgraded_url: str) -> Iterator[Store]:
    """A store with one instance, on each kind of database."""
    store = Store.open(upgraded_url)
    store.instances.add(INSTANCE, signers=[SIGNER])
    yield store
    store.close()
