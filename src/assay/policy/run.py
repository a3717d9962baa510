"""The state of one evaluation: the working set, what the rules made of it, and the steps left.

Source: MAA policy semantics, sections 2 (sets) and 12 (choices where sources are silent).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from assay.claims import Claim, ClaimIssuer, ClaimValue
from assay.encoding import JsonValue
from assay.policy.functions import Workbench
from assay.policy.meter import CHARACTERS_A_STEP, Meter
from assay.policy.query import Query

MAX_INCOMING_CLAIMS: Final = 10_000
"""Evidence has a few dozen, and a client may send some; bounds the work of untyped conditions."""

MAX_OUTPUT_CHARACTERS: Final = 1_048_576
"""Of issued claims and properties: more would not pass as a bearer token anywhere."""

_PLAIN: Final = frozenset({str, int, bool})

Outgoing: TypeAlias = dict[str, dict[tuple[type, ClaimValue], ClaimValue]]
"""For each claim type its values, under keys that tell `True` from 1."""


class BoundReachedError(Exception):
    """Too much comes in or goes out; becomes a `PolicyEvaluationError`."""


class Run(Meter):
    """One evaluation. Claims in it are never removed nor changed."""

    __slots__ = (
        "_added",
        "_queries",
        "_workbench",
        "by_type",
        "deny",
        "issued",
        "permit",
        "properties",
    )

    def __init__(
        self,
        incoming: tuple[Claim, ...],
        looked_at: frozenset[str] | None = None,
        queries: dict[str, Query | None] | None = None,
    ) -> None:
        """Take the incoming claims; where `looked_at` is given, only those of such types.

        Queries under `queries` are read once for all runs.

        Raises:
            BoundReachedError: There are more than `MAX_INCOMING_CLAIMS`.
            TypeError: A value is not a string, an integer or a Boolean.
        """
        super().__init__()
        if len(incoming) > MAX_INCOMING_CLAIMS:
            raise BoundReachedError(
                f"at most {MAX_INCOMING_CLAIMS} incoming claims, got {len(incoming)}"
            )
        by_type: dict[str, list[Claim]] = {}
        for claim in incoming:
            name = claim.type
            if looked_at is not None and name not in looked_at:
                continue
            # An enumeration's member would equal its string and yet be of another type.
            plain = claim if claim.value.__class__ in _PLAIN else _plain(claim)
            if name in by_type:
                by_type[name].append(plain)
            else:
                by_type[name] = [plain]
        self.by_type = by_type
        self.permit: int | None = None
        """Index of the first rule that permitted."""
        self.deny: int | None = None
        """Index of the first rule that denied."""
        self.issued: Outgoing = {}
        self.properties: Outgoing = {}
        self._added: set[tuple[str, type, ClaimValue, bool]] = set()
        self._queries = queries
        self._workbench: Workbench | None = None

    @property
    def workbench(self) -> Workbench:
        """What the function calls of this evaluation share."""
        if self._workbench is None:
            self._workbench = Workbench(self, self._queries)
        return self._workbench

    def claims(self) -> list[Claim]:
        """The whole working set."""
        return [claim for claims in self.by_type.values() for claim in claims]

    def add(self, claim_type: str, value: ClaimValue, *, read_only: bool) -> None:
        """Add a claim that the policy makes; one that is there already is not added again."""
        key = (claim_type, value.__class__, value, read_only)
        if key in self._added:
            return
        self._added.add(key)
        claim = Claim(claim_type, value, ClaimIssuer.POLICY, read_only)
        self.by_type.setdefault(claim_type, []).append(claim)


def json_members(outgoing: Outgoing) -> dict[str, JsonValue]:
    """Outgoing claims as members of a token: one value bare, several as an array.

    Raises:
        BoundReachedError: They exceed `MAX_OUTPUT_CHARACTERS`.
    """
    members: dict[str, JsonValue] = {}
    size = 0
    for name, typed_values in outgoing.items():
        size += len(name)
        for value in typed_values.values():
            size += len(value) if value.__class__ is str else CHARACTERS_A_STEP
            members[name] = value
        if len(typed_values) > 1:
            members[name] = list(typed_values.values())
    if size > MAX_OUTPUT_CHARACTERS:
        raise BoundReachedError(f"at most {MAX_OUTPUT_CHARACTERS} characters issued, got {size}")
    return members


def value_sets(outgoing: Outgoing) -> Mapping[str, tuple[ClaimValue, ...]]:
    """Outgoing claims with all their values."""
    return {name: tuple(values.values()) for name, values in outgoing.items()}


def _plain(claim: Claim) -> Claim:
    value: object = claim.value
    plain: ClaimValue
    if isinstance(value, str):
        plain = str.__str__(value)
    elif isinstance(value, int):
        plain = int(value)
    else:
        kind = type(value).__name__
        raise TypeError(f"{claim.type}: a string, an integer or a Boolean is expected: {kind}")
    return Claim(claim.type, plain, claim.issuer, claim.read_only)
