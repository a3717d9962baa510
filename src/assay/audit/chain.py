"""The chain: appending to it, and finding the first place where it was changed.

A chain shows that nothing inside it was changed, taken out or put in. It cannot show that its end
was cut off, nor that somebody with the database rewrote all of it: for that, keep its head
elsewhere from time to time, and verify against that.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from assay.audit.record import AuditEvent, AuditRecord, malformed, parse_line
from assay.errors import AuditError, Finding


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """The end of a chain: all that the next record needs of it."""

    sequence: int
    digest: str


GENESIS: Final = AuditHead(sequence=0, digest="0" * 64)
"""The end of a chain without records."""


def append(head: AuditHead, event: AuditEvent) -> tuple[AuditRecord, AuditHead]:
    """The event as the record that follows `head`, and the new head.

    Whoever keeps the chain must see to it that no two records follow one head.

    Raises:
        AuditError: The event does not fit a record: its texts are too long, or are not Unicode.
    """
    record = AuditRecord(sequence=head.sequence + 1, previous=head.digest, event=event)
    try:
        line = record.line()
    except UnicodeEncodeError as error:
        raise malformed("texts that UTF-8 can carry", "a lone surrogate") from error
    # What could be written and not be read again would break the chain for good.
    parse_line(line)
    return record, AuditHead(sequence=record.sequence, digest=record.digest)


def verify_export(
    lines: Iterable[bytes], *, after: AuditHead = GENESIS, until: AuditHead | None = None
) -> AuditHead:
    """Check an export, and give its head.

    Args:
        lines: One record each, with or without the line's end.
        after: What the first record must follow, for an export that begins later.
        until: A head that was kept elsewhere: the chain must run through it.

    Raises:
        AuditError: With the number of the first record that is not as it was written, or the
            chain does not run through `until`.
    """
    head = after
    passed = until is None or until == head
    for number, line in enumerate(lines, 1):
        try:
            head = _follow(head, line.removesuffix(b"\n"))
        except AuditError as error:
            raise AuditError(
                f"line {number}, where record {head.sequence + 1} should be: {error.message}",
                findings=error.findings,
            ) from error
        passed = passed or head == until
    if until is not None and not passed:
        raise _refused(
            "audit.chain.head",
            f"record {until.sequence} with digest {until.digest} in the chain",
            f"a chain up to record {head.sequence} without it",
        )
    return head


def _follow(head: AuditHead, line: bytes) -> AuditHead:
    record, digest = parse_line(line)
    if record.sequence != head.sequence + 1:
        raise _refused(
            "audit.chain.sequence", f"record {head.sequence + 1}", f"record {record.sequence}"
        )
    if not hmac.compare_digest(record.previous, head.digest):
        raise _refused(
            "audit.chain.previous", f"the previous digest {head.digest}", record.previous
        )
    if not hmac.compare_digest(record.digest, digest):
        raise _refused("audit.chain.digest", f"the digest {record.digest}", digest)
    return AuditHead(sequence=record.sequence, digest=digest)


def _refused(check: str, expected: str, actual: str) -> AuditError:
    finding = Finding(check=check, expected=expected, actual=actual)
    return AuditError(f"need {expected}, got {actual}", findings=[finding])
