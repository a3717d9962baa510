"""What one secret is released under: requirements on claims, a policy, or both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

from assay.claims import Claim
from assay.encoding import JsonValue, encode_json_sorted
from assay.errors import Finding, SettingsError
from assay.policy import CompiledPolicy, compile_policy
from assay.policy.outcome import evaluate_policy
from assay.relying_party import Requirements, require


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePolicy:
    """The rules of one secret. Both halves must be met."""

    requirements: Requirements
    policy: CompiledPolicy | None
    digest: str
    """SHA-256 of all that was written, lower-case hex: what secrets are sealed to."""

    def findings(self, claims: Mapping[str, JsonValue]) -> tuple[Finding, ...]:
        """Why a token with these claims gets nothing; empty where it does."""
        return (*self.requirements.findings(claims), *self._policy_findings(claims))

    def _policy_findings(self, claims: Mapping[str, JsonValue]) -> tuple[Finding, ...]:
        if self.policy is None:
            return ()
        outcome = evaluate_policy(self.policy, _policy_claims(claims))
        if outcome.permitted:
            return ()
        return (
            Finding(
                check="keyrelease.policy.denied",
                expected="claims that the secret's policy permits",
                actual=outcome.explanation,
            ),
        )


def read_release_policy(
    *, required: Mapping[str, object], claims: Mapping[str, object], text: str | None
) -> ReleasePolicy:
    """The rules as settings write them.

    Args:
        required: Arguments of `require`.
        claims: Claims by their exact names, and their values.
        text: A policy in the policy language, which sees the token's claims.

    Raises:
        RequirementError: A requirement names what no token has.
        PolicyError: The text is no policy.
        SettingsError: There are no rules at all.
    """
    if not required and not claims and text is None:
        raise SettingsError(
            "a secret without rules would be anybody's: require something of the token, such as "
            "mrsigner and svn__ge, or name a policy"
        )
    policy = None if text is None else compile_policy(text)
    written: dict[str, JsonValue] = {
        "claims": _plain(claims),
        "policy": text,
        "require": _plain(required),
    }
    return ReleasePolicy(
        requirements=require(claims, **required),  # type: ignore[arg-type]  # checked there
        policy=policy,
        digest=hashlib.sha256(encode_json_sorted(written)).hexdigest(),
    )


def _plain(values: Mapping[str, object]) -> dict[str, JsonValue]:
    return {name: _value(value) for name, value in values.items()}


def _value(value: object) -> JsonValue:
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    return value if isinstance(value, str | int | bool) else str(value)


def _policy_claims(claims: Mapping[str, JsonValue]) -> Iterator[Claim]:
    """The claims that the policy language has a type for; an array is a claim for each element."""
    for name, value in claims.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str | int):
                yield Claim(name, one)
