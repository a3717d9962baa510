from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from assay.audit import AuditEvent, AuditOutcome, parse_line, verify_export
from assay.service.refusals import REFUSALS_IN_WINDOW, RefusalRecord
from assay.store import Store
from tests.conftest import AT

_EVENT = AuditEvent(
    at=AT, action="policy.set", outcome=AuditOutcome.REFUSED, actor_kind="anonymous"
)


@pytest.fixture
def store(upgraded_url: str) -> Iterator[Store]:
    with closing(Store.open(upgraded_url)) as found:
        yield found


def _events(store: Store) -> list[AuditEvent]:
    lines = list(store.audit.lines())
    verify_export(lines)
    return [parse_line(line)[0].event for line in lines]


def test_a_refusal_is_in_the_record_and_no_change(store: Store) -> None:
    before = store.revision()

    RefusalRecord(store, lambda: AT).record(_EVENT)

    assert _events(store) == [_EVENT]
    assert store.revision() == before


@pytest.mark.parametrize("later", [timedelta(minutes=1), timedelta(hours=-1)])
def test_a_flood_is_counted_and_not_kept(later: timedelta, store: Store) -> None:
    refusals = RefusalRecord(store, lambda: AT)
    for _ in range(REFUSALS_IN_WINDOW + 5):
        refusals.record(_EVENT)
    refusals.record(replace(_EVENT, at=AT + later))
    refusals.record(replace(_EVENT, at=AT + later))

    *kept, counted, last = _events(store)
    assert kept == [_EVENT] * REFUSALS_IN_WINDOW
    assert counted.details == {"left_out": "5"}
    assert last.details == {}
