"""The claim model that evidence formats produce and the policy language reads.

Source: MAA policy language, "Claims" (type, value, valueType, issuer).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import msgspec

from assay.encoding import JsonValue

ClaimValue: TypeAlias = str | int | bool
"""Boolean, Integer (64-bit signed) or String."""


class ValueType(StrEnum):
    """The three types of a claim's value, spelled as policies spell them."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    STRING = "String"


class ClaimIssuer(StrEnum):
    """Who made a claim."""

    SERVICE = "AttestationService"
    """The service, from verified evidence."""

    POLICY = "AttestationPolicy"
    """A rule of the policy."""

    CUSTOM = "CustomClaim"
    """The client; bound to the evidence but not vouched for by it."""


class Claim(msgspec.Struct, frozen=True, eq=False):
    """One named value."""

    type: str
    value: ClaimValue
    issuer: ClaimIssuer = ClaimIssuer.SERVICE
    read_only: bool = False
    """May be tested and added, never issued."""

    @property
    def value_type(self) -> ValueType:
        """The type of the value."""
        return value_type_of(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Claim) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        # `True == 1` in Python, and a Boolean is never an Integer in a policy.
        return (self.type, type(self.value), self.value, self.issuer, self.read_only)


def value_type_of(value: ClaimValue) -> ValueType:
    """The policy language's type of a Python value."""
    # `bool` is an `int` in Python: it must be asked first.
    if isinstance(value, bool):
        return ValueType.BOOLEAN
    return ValueType.INTEGER if isinstance(value, int) else ValueType.STRING


class ClaimSet(msgspec.Struct, frozen=True, kw_only=True):
    """What one piece of verified evidence says, in its two forms."""

    incoming: tuple[Claim, ...]
    """What policies see."""

    token: Mapping[str, JsonValue]
    """What the service puts into the token whatever the policy issues."""
