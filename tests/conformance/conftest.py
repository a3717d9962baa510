from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.administration import Hosted, three_instances


@pytest.fixture
def service(upgraded_sqlite: str) -> Iterator[Hosted]:
    """One instance of each trust model; the isolated one is `owner()`'s."""
    with three_instances(upgraded_sqlite) as found:
        yield found
