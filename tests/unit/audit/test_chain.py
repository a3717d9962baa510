from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.audit import (
    GENESIS,
    AuditEvent,
    AuditHead,
    AuditOutcome,
    append,
    parse_line,
    verify_export,
)
from assay.errors import AuditError

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVENT: Final = AuditEvent(
    at=AT, action="policy.set", outcome=AuditOutcome.DONE, actor_kind="bearer", actor_name="me"
)


def _chain(length: int) -> tuple[list[bytes], list[AuditHead]]:
    heads = [GENESIS]
    lines = []
    for number in range(length):
        event = replace(EVENT, at=AT + timedelta(seconds=number))
        record, head = append(heads[-1], event)
        lines.append(record.line())
        heads.append(head)
    return lines, heads


LINES, HEADS = _chain(5)


def _refusal(
    lines: Sequence[bytes], *, after: AuditHead = GENESIS, until: AuditHead | None = None
) -> tuple[str, str]:
    with pytest.raises(AuditError) as caught:
        verify_export(lines, after=after, until=until)
    (finding,) = caught.value.findings
    return finding.check, caught.value.message


def test_a_chain_verifies_to_its_head() -> None:
    assert verify_export(LINES) == HEADS[-1]
    assert verify_export([line + b"\n" for line in LINES]) == HEADS[-1]


def test_no_records_are_a_chain() -> None:
    assert verify_export([]) == GENESIS
    assert verify_export([], until=GENESIS) == GENESIS


def test_a_later_part_verifies_after_the_head_before_it() -> None:
    assert verify_export(LINES[2:], after=HEADS[2]) == HEADS[-1]


@pytest.mark.parametrize("until", HEADS)
def test_a_chain_runs_through_each_of_its_heads(until: AuditHead) -> None:
    assert verify_export(LINES, until=until) == HEADS[-1]


def test_a_chain_that_was_cut_is_known_by_its_kept_head() -> None:
    check, message = _refusal(LINES[:3], until=HEADS[4])

    assert check == "audit.chain.head"
    assert "record 4 with digest" in message


def test_a_chain_that_was_written_anew_is_known_by_its_kept_head() -> None:
    record, head = append(HEADS[4], replace(EVENT, actor_name="somebody else"))

    assert verify_export([*LINES[:4], record.line()]) == head
    assert _refusal([*LINES[:4], record.line()], until=HEADS[5])[0] == "audit.chain.head"


@pytest.mark.parametrize("position", range(5))
def test_a_changed_record_is_named(position: int) -> None:
    lines = list(LINES)
    lines[position] = lines[position].replace(b'"me"', b'"you"')

    check, message = _refusal(lines)

    assert check == "audit.chain.digest"
    assert message.startswith(f"line {position + 1}, where record {position + 1} should be: ")


def test_a_record_changed_with_its_digest_breaks_the_next_one() -> None:
    record, _ = append(HEADS[1], replace(EVENT, actor_name="you"))
    lines = [LINES[0], record.line(), *LINES[2:]]

    check, message = _refusal(lines)

    assert check == "audit.chain.previous"
    assert message.startswith("line 3, where record 3 should be: ")


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (LINES[1:], 1),
        ([*LINES[:2], *LINES[3:]], 3),
        ([LINES[0], LINES[0], *LINES[1:]], 2),
        ([LINES[1], LINES[0], *LINES[2:]], 1),
    ],
    ids=["first one gone", "one gone", "one twice", "two exchanged"],
)
def test_a_record_out_of_its_place_is_named(lines: list[bytes], line: int) -> None:
    check, message = _refusal(lines)

    assert check == "audit.chain.sequence"
    assert message.startswith(f"line {line}, ")


@pytest.mark.parametrize("line", [b"", b"{}", LINES[2][:-1], LINES[2] + b"\n\n"])
def test_a_line_that_is_no_record_is_named(line: bytes) -> None:
    check, message = _refusal([*LINES[:2], line, *LINES[3:]])

    assert check == "audit.record.record_format"
    assert message.startswith("line 3, where record 3 should be: not an audit record: ")


@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(LINES) - 1))
    place = data.draw(st.integers(0, len(LINES[number]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != LINES[number][place]))
    changed = bytearray(LINES[number])
    changed[place] = other

    with pytest.raises(AuditError):
        verify_export([*LINES[:number], bytes(changed), *LINES[number + 1 :]])


@pytest.mark.parametrize("action", ["\ud800", "x" * (1 << 16)])
def test_what_could_not_be_read_again_is_not_appended(action: str) -> None:
    with pytest.raises(AuditError):
        append(GENESIS, replace(EVENT, action=action))


def test_a_record_follows_its_head() -> None:
    record, head = append(HEADS[2], EVENT)

    assert (record.sequence, record.previous) == (3, HEADS[2].digest)
    assert head == AuditHead(sequence=3, digest=record.digest)
    assert parse_line(record.line()) == (record, head.digest)
