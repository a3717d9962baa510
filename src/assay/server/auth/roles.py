"""From the claims of a verified token to rights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from assay.access import Grants
from assay.encoding import JsonValue
from assay.server.auth.settings import ClaimGrant

_SPACE_SEPARATED: Final = frozenset({"scp", "scope"})
"""Claims that are a list in one string: Entra ID's, and RFC 9068 section 2.2.3."""


def claimed_grants(rules: Iterable[ClaimGrant], claims: Mapping[str, JsonValue]) -> Grants:
    """The rights of every rule that fits.

    A claim that is absent or of another type than a string or an array fits no rule.
    """
    grants = Grants()
    for rule in rules:
        if rule.value in _values(rule, claims):
            grants |= Grants.of(rule.rights, rule.instances)
    return grants


def _values(rule: ClaimGrant, claims: Mapping[str, JsonValue]) -> list[JsonValue]:
    path = (rule.claim,) if isinstance(rule.claim, str) else rule.claim
    value: JsonValue = dict(claims)
    for name in path:
        if not isinstance(value, dict):
            return []
        value = value.get(name)
    if isinstance(value, str):
        return [*value.split(" ")] if path[-1] in _SPACE_SEPARATED else [value]
    return value if isinstance(value, list) else []
