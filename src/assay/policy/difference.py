"""What a new version of a policy does otherwise: which inputs it decides or answers differently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from assay.claims import Claim
from assay.policy.evaluation import CompiledPolicy
from assay.policy.outcome import Outcome, changed_members, evaluate_policy


class Effect(StrEnum):
    """What changes for one input."""

    SAME = "same"
    PERMITS = "permits"
    """It was refused and is permitted now."""

    REFUSES = "refuses"
    """It was permitted and is refused now."""

    REFUSES_OTHERWISE = "refuses otherwise"
    """It is refused by another kind of decision."""

    ANSWERS_OTHERWISE = "answers otherwise"
    """The decision stays; claims, properties or the configuration differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """One member with other values."""

    member: str
    """`claims`, `configuration` or `properties`."""

    name: str
    before: str
    """JSON text, or `nothing`."""

    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two outcomes for the same input."""

    name: str
    before: Outcome
    after: Outcome
    changes: tuple[ValueChange, ...]

    @property
    def effect(self) -> Effect:
        """What changes."""
        if self.before.decision != self.after.decision:
            if self.after.permitted:
                return Effect.PERMITS
            return Effect.REFUSES if self.before.permitted else Effect.REFUSES_OTHERWISE
        return Effect.ANSWERS_OTHERWISE if self.changes else Effect.SAME


def compare_policies(
    before: CompiledPolicy,
    after: CompiledPolicy,
    inputs: Iterable[tuple[str, tuple[Claim, ...]]],
) -> tuple[Comparison, ...]:
    """Evaluate both policies over each named input."""
    return tuple(
        _compare(name, evaluate_policy(before, incoming), evaluate_policy(after, incoming))
        for name, incoming in inputs
    )


def _compare(name: str, before: Outcome, after: Outcome) -> Comparison:
    return Comparison(name=name, before=before, after=after, changes=tuple(_changes(before, after)))


def _changes(before: Outcome, after: Outcome) -> Iterator[ValueChange]:
    pairs = (
        ("claims", before.claims, after.claims),
        ("configuration", before.configuration, after.configuration),
        ("properties", before.properties, after.properties),
    )
    for member, old, new in pairs:
        for name, was, becomes in changed_members(old, new):
            yield ValueChange(member=member, name=name, before=was, after=becomes)
