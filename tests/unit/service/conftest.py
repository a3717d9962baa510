from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from assay.store import Store, TrustModel
from tests.administration import add_instance, make_record, owner


@pytest.fixture
def store(upgraded_url: str) -> Iterator[Store]:
    """A store with an instance of each trust model, on each kind of database."""
    with closing(Store.open(upgraded_url)) as found:
        add_instance(found, make_record("aad"))
        add_instance(found, make_record("isolated", TrustModel.ISOLATED), [owner()])
        add_instance(found, make_record("shared", TrustModel.SHARED))
        yield found
