"""A policy ready to be evaluated, and what an evaluation says.

Source: MAA policy semantics, sections 3 (running), 4 (decision), 5 (token form).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import final

from assay.claims import Claim, ClaimValue
from assay.encoding import JsonValue
from assay.policy import explain
from assay.policy.compile import Program, compile_program, run_rules
from assay.policy.digest import policy_hash
from assay.policy.explain import RuleRecord, RuleReference
from assay.policy.run import BoundReachedError, Run, json_members, value_sets
from assay.policy.settings import SETTINGS
from assay.policy.source import PolicyEvaluationError, Source, Span
from assay.policy.syntax import (
    Literal,
    NewClaim,
    Policy,
    PropertyName,
    Rule,
    SectionName,
    Version,
)


class Decision(StrEnum):
    """What the authorization rules decided."""

    PERMIT = "permit"
    DENY = "deny"
    NO_PERMIT = "no-permit"


@final
class Evaluation:
    """The outcome of one evaluation; the account of it is made when asked for."""

    __slots__ = (
        "_incoming",
        "_program",
        "_reasons",
        "_rule",
        "decision",
        "issued",
        "properties",
    )

    def __init__(self, program: Program, incoming: tuple[Claim, ...], run: Run) -> None:
        """Decide.

        Raises:
            BoundReachedError: The rules issued too much.
        """
        self._program = program
        self._incoming = incoming
        self._reasons: tuple[RuleRecord, ...] | None = None
        self._rule = run.permit if run.deny is None else run.deny
        self.decision = _decision(run)
        self.issued: Mapping[str, JsonValue] = json_members(run.issued)
        """What the policy issues, as members of a token; empty where it refuses."""
        self.properties: Mapping[str, JsonValue] = json_members(run.properties)
        """Property claims of the issuance rules; empty where the policy refuses."""

    @property
    def rule(self) -> RuleReference | None:
        """The first rule that denied, else the first that permitted."""
        if self._rule is None:
            return None
        position = self._rule - len(self._program.configuration)
        return explain.reference(self._program.authorization[position], self._program.source)

    @property
    def explanation(self) -> str:
        """One sentence: which rule decided because of which claim, or what was missing."""
        return explain.sentence(self.reasons)

    @property
    def reasons(self) -> tuple[RuleRecord, ...]:
        """The record of `rule`; where there is none, of each rule with permit(), closest first."""
        if self._reasons is None:
            self._reasons = explain.reasons(self._program, self._incoming, self._rule)
        return self._reasons

    @property
    def trace(self) -> tuple[RuleRecord, ...]:
        """What became of each rule, in the order in which they ran."""
        permitted = self.decision is Decision.PERMIT
        return explain.trace(self._program, self._incoming, decided=permitted)

    def __repr__(self) -> str:
        return f"Evaluation(decision={self.decision!s}, issued={dict(self.issued)!r})"


@final
class CompiledPolicy:
    """A policy that parsed and passed all checks. Immutable; may be shared between threads."""

    __slots__ = ("_program", "_settings", "hash", "text", "version")

    def __init__(self, policy: Policy, source: Source, version: Version) -> None:
        self._program = compile_program(policy, source)
        self.text = source.text
        """The text, character for character."""
        self.hash = policy_hash(source.text)
        """Its `x-ms-policy-hash`."""
        self.version = version
        self._settings: Mapping[str, ClaimValue] | None = None

    @property
    def tree(self) -> Policy:
        """The syntax tree, for tools."""
        return self._program.policy

    def configuration(self) -> Mapping[str, ClaimValue]:
        """What the configuration rules set, before there is any claim to look at.

        Raises:
            PolicyEvaluationError: A rule failed, or a setting that Assay knows has a value that
                it cannot have: to fall back to a default would weaken the policy in silence.
        """
        # Nothing goes in, so once is enough; two threads at worst both work it out.
        settings = self._settings
        if settings is None:
            settings = self._settings = MappingProxyType(self._configure())
        return settings

    def evaluate(self, incoming: Iterable[Claim]) -> Evaluation:
        """Run the authorization rules over `incoming` and, if they permit, the issuance rules.

        Raises:
            PolicyEvaluationError: A rule failed, or a bound was reached. The evidence is refused.
        """
        claims = tuple(incoming)
        program = self._program
        try:
            run = program.start(claims)
            run_rules(program.authorization, run, program.source)
            if run.deny is None and run.permit is not None:
                run_rules(program.issuance, run, program.source)
            else:
                # Published policies issue claims in authorizationrules, too.
                run.issued.clear()
            return Evaluation(program, claims, run)
        except BoundReachedError as error:
            raise program.source.failure(Span(0, 0), str(error)) from error

    def _configure(self) -> dict[str, ClaimValue]:
        run = Run(())
        run_rules(self._program.configuration, run, self._program.source)
        settings: dict[str, ClaimValue] = {}
        for name, values in value_sets(run.properties).items():
            if len(values) != 1:
                raise self._unfit(name, f"one value is expected, got {len(values)}")
            settings[name] = values[0]
            setting = SETTINGS.get(name)
            if setting is not None and not setting.fits(values[0]):
                raise self._unfit(name, setting.complaint(values[0]))
        return settings

    def _unfit(self, name: str, reason: str) -> PolicyEvaluationError:
        rules = self._program.policy.rules(SectionName.CONFIGURATION)
        span = next((rule.span for rule in rules if _sets(rule, name)), Span(0, 0))
        return self._program.source.failure(span, f"{name}: {reason}")

    def __repr__(self) -> str:
        return f"CompiledPolicy(version={self.version!s}, hash={self.hash!r})"


def _decision(run: Run) -> Decision:
    if run.deny is not None:
        return Decision.DENY
    return Decision.NO_PERMIT if run.permit is None else Decision.PERMIT


def _sets(rule: Rule, name: str) -> bool:
    claim = rule.action.claim
    if not isinstance(claim, NewClaim):
        return False
    expression = claim.find(PropertyName.TYPE)
    return isinstance(expression, Literal) and expression.value == name
