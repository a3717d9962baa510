"""One record: what happened, its place in the chain, and its one encoding.

A record is a JSON object of compact UTF-8, members sorted by code point, all of them there:

| member | what |
|---|---|
| `action` | what was done or asked for, such as `policy.set` |
| `actor` | `kind`, `name` and `authority` of the caller |
| `address` | the caller's network address, or empty |
| `at` | RFC 3339 in UTC with six decimals and a `Z` |
| `details` | names and texts, such as the old and the new hash of a policy |
| `digest` | lower-case hex, see below |
| `instance` | its name, or empty for the server itself |
| `outcome` | `done` or `refused` |
| `previous` | the digest of the record before; of the first one, 64 zeros |
| `request` | the request's identifier, as in the log |
| `sequence` | 1 for the first record, one more for each |
| `target` | what it was done to, such as an attestation type |
| `version` | 1 |

The digest is SHA-256 over `assay audit record` and a NUL byte, followed by the same object without
`digest`. A text in another encoding of the same content is not a record.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, final

from assay.encoding import EncodingError, JsonValue, encode_json_sorted, parse_json_object
from assay.errors import AuditError, Finding

_VERSION: Final = 1
_DOMAIN: Final = b"assay audit record\0"
_MAX_LINE_BYTES: Final = 1 << 16
"""Some fifty times a record with every detail that one has."""

_MAX_SEQUENCE: Final = (1 << 63) - 1
"""What databases count to."""

_HEX_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_TEXTS: Final = ("action", "address", "at", "instance", "outcome", "request", "target")
_CHAIN_TEXTS: Final = ("digest", "previous")
_ACTOR: Final = frozenset({"kind", "name", "authority"})
_MEMBERS: Final = frozenset({*_TEXTS, *_CHAIN_TEXTS, "actor", "details", "sequence", "version"})


class AuditOutcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What happened. Nothing in it may be a secret: it is shown and exported."""

    at: datetime
    action: str
    outcome: AuditOutcome
    actor_kind: str
    actor_name: str = ""
    actor_authority: str = ""
    address: str = ""
    instance: str = ""
    target: str = ""
    request: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """An event in its place."""

    sequence: int
    previous: str
    event: AuditEvent

    @property
    def digest(self) -> str:
        """What the next record has as its `previous`."""
        return hashlib.sha256(_DOMAIN + encode_json_sorted(_members(self))).hexdigest()

    def line(self) -> bytes:
        """The record as a line of an export, without the line's end."""
        return encode_json_sorted({**_members(self), "digest": self.digest})


def parse_line(line: bytes) -> tuple[AuditRecord, str]:
    """The record in a line, and the digest that the line gives for it, which is not checked.

    Raises:
        AuditError: Not a record in its one encoding.
    """
    if len(line) > _MAX_LINE_BYTES:
        raise malformed(f"at most {_MAX_LINE_BYTES} bytes", f"{len(line)}")
    try:
        members = parse_json_object(line, "record")
    except EncodingError as error:
        raise malformed("a strict JSON object", error.message) from error
    if members.keys() != _MEMBERS or members["version"] != _VERSION:
        raise malformed(f"the members of version {_VERSION}", "others")
    record = AuditRecord(
        sequence=_sequence(members["sequence"]),
        previous=_digest(members, "previous"),
        event=_event(members),
    )
    digest = _digest(members, "digest")
    # Whatever else could be spelled in two ways is refused here, before it is hashed.
    if encode_json_sorted({**_members(record), "digest": digest}) != line:
        raise malformed("the record's one encoding", "another one")
    return record, digest


def malformed(expected: str, actual: str) -> AuditError:
    """The error for what is not a record, for the caller to raise."""
    finding = Finding(check="audit.record.record_format", expected=expected, actual=actual)
    return AuditError(f"not an audit record: need {expected}, got {actual}", findings=[finding])


def _members(record: AuditRecord) -> dict[str, JsonValue]:
    """Everything but the digest."""
    event = record.event
    return {
        "action": event.action,
        "actor": {
            "kind": event.actor_kind,
            "name": event.actor_name,
            "authority": event.actor_authority,
        },
        "address": event.address,
        "at": _write_instant(event.at),
        "details": dict(event.details),
        "instance": event.instance,
        "outcome": event.outcome.value,
        "previous": record.previous,
        "request": event.request,
        "sequence": record.sequence,
        "target": event.target,
        "version": _VERSION,
    }


def _event(members: Mapping[str, JsonValue]) -> AuditEvent:
    texts = _strings({name: members[name] for name in _TEXTS}, "texts")
    actor = _strings(members["actor"], "an actor")
    if actor.keys() != _ACTOR:
        raise malformed("an actor with kind, name and authority", "another one")
    if texts["outcome"] not in set(AuditOutcome):
        raise malformed(f"an outcome {' or '.join(AuditOutcome)}", "another one")
    return AuditEvent(
        at=_read_instant(texts["at"]),
        action=texts["action"],
        outcome=AuditOutcome(texts["outcome"]),
        actor_kind=actor["kind"],
        actor_name=actor["name"],
        actor_authority=actor["authority"],
        address=texts["address"],
        instance=texts["instance"],
        target=texts["target"],
        request=texts["request"],
        details=_strings(members["details"], "details"),
    )


def _strings(value: JsonValue, what: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise malformed(f"{what} as an object", "something else")
    found = {name: text for name, text in value.items() if isinstance(text, str)}
    if len(found) != len(value):
        raise malformed(f"{what} of nothing but strings", "something else")
    return found


def _sequence(value: JsonValue) -> int:
    # `bool` is an `int` in Python.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_SEQUENCE:
        raise malformed(f"a sequence number from 1 to {_MAX_SEQUENCE}", "something else")
    return value


def _digest(members: Mapping[str, JsonValue], name: str) -> str:
    value = members[name]
    if not isinstance(value, str) or _HEX_DIGEST.fullmatch(value) is None:
        raise malformed(f"a {name} of 64 hexadecimal digits", "something else")
    return value


def _write_instant(at: datetime) -> str:
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _read_instant(text: str) -> datetime:
    try:
        if _INSTANT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise malformed("an instant in UTC with six decimals", "something else")
