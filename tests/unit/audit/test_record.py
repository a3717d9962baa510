from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.audit import AuditEvent, AuditOutcome, AuditRecord, parse_line
from assay.errors import AuditError

AT: Final = datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC)
EVENT: Final = AuditEvent(
    at=AT,
    action="policy.set",
    outcome=AuditOutcome.DONE,
    actor_kind="bearer",
    actor_name="somebody",
    actor_authority="https://login.example",
    address="192.0.2.1",
    instance="default",
    target="SgxEnclave",
    request="00-1",
    details={"new": "b", "old": "a"},
)
RECORD: Final = AuditRecord(sequence=7, previous="ab" * 32, event=EVENT)

_CANONICAL: Final = (
    '{"action":"policy.set","actor":{"authority":"https://login.example","kind":"bearer",'
    '"name":"somebody"},"address":"192.0.2.1","at":"2026-11-23T12:00:00.000005Z",'
    '"details":{"new":"b","old":"a"},%s"instance":"default","outcome":"done","previous":"'
    + "ab" * 32
    + '","request":"00-1","sequence":7,"target":"SgxEnclave","version":1}'
)


def _refusal(line: bytes) -> str:
    with pytest.raises(AuditError) as caught:
        parse_line(line)
    assert [one.check for one in caught.value.findings] == ["audit.record.record_format"]
    return caught.value.message


def _line(**changes: object) -> bytes:
    """The line of `RECORD` with other members, in the order and spelling that a line has."""
    members = {**json.loads(RECORD.line()), **changes}
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_line_is_what_the_documentation_says() -> None:
    expected = hashlib.sha256(b"assay audit record\0" + (_CANONICAL % "").encode()).hexdigest()

    assert RECORD.digest == expected
    assert RECORD.line().decode() == _CANONICAL % f'"digest":"{expected}",'


def test_a_line_is_read_back() -> None:
    assert parse_line(RECORD.line()) == (RECORD, RECORD.digest)


def test_instants_are_written_in_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))

    record = AuditRecord(
        sequence=1,
        previous="0" * 64,
        event=AuditEvent(at=there, action="a", outcome=AuditOutcome.REFUSED, actor_kind="b"),
    )

    assert b'"at":"2026-11-23T12:00:00.000005Z"' in record.line()


@given(
    st.builds(
        AuditEvent,
        at=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        action=st.text(max_size=50),
        outcome=st.sampled_from(AuditOutcome),
        actor_kind=st.text(max_size=50),
        details=st.dictionaries(st.text(max_size=50), st.text(max_size=50), max_size=5),
    )
)
def test_whatever_is_written_is_read_back(event: AuditEvent) -> None:
    record = AuditRecord(sequence=1, previous="0" * 64, event=event)

    line = record.line()

    assert b"\n" not in line
    assert parse_line(line) == (record, record.digest)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    _refusal(data)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version":1}',
        RECORD.line() + b" ",
        RECORD.line() + b"\r",
        RECORD.line().replace(b'":"', b'": "', 1),
        RECORD.line().replace(b"default", b"\\u0064efault"),
        RECORD.line().replace(b'"version":1', b'"version":1.0'),
        RECORD.line().replace(b'"version":1', b'"version":1,"version":1'),
        b" " * (1 << 16) + RECORD.line(),
        _line(version=2),
        _line(version=True),
        _line(other="x"),
        _line(sequence=0),
        _line(sequence=-1),
        _line(sequence=True),
        _line(sequence=1.5),
        _line(sequence=1 << 63),
        _line(sequence="1"),
        _line(previous=None),
        _line(previous="AB" * 32),
        _line(previous="ab" * 31),
        _line(digest=1),
        _line(action=None),
        _line(details=[]),
        _line(details={"a": 1}),
        _line(actor="me"),
        _line(actor={"kind": "bearer", "name": "x"}),
        _line(outcome="maybe"),
        _line(at="2026-11-23T12:00:00Z"),
        _line(at="2026-11-23T12:00:00.000005+00:00"),
        _line(at="2026-13-23T12:00:00.000005Z"),
        _line(at=""),
    ],
)
def test_a_line_of_another_form_is_refused(line: bytes) -> None:
    _refusal(line)


def test_the_made_line_is_right_but_for_its_change() -> None:
    assert _line() == RECORD.line()
