"""Expressions as closures: the values they stand for, and whether these may be issued."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from assay.claims import Claim, ClaimValue
from assay.policy import syntax
from assay.policy.functions import CLEARING, FUNCTIONS, FunctionError, Values, distinct
from assay.policy.run import Run
from assay.policy.source import Source
from assay.policy.syntax import FunctionName, PropertyName

Environment: TypeAlias = Sequence[Sequence[Claim]]
"""For each condition before, the claims that met it."""

Scope: TypeAlias = Mapping[str, int]
"""For each name, the index of its condition in the environment."""

Evaluated: TypeAlias = tuple[Values, bool]
"""The distinct values of an expression, and whether they are read-only."""

Evaluator: TypeAlias = Callable[[Run, Environment], Evaluated]


def _value_type(claim: Claim) -> ClaimValue:
    return claim.value_type.value


def _issuer(claim: Claim) -> ClaimValue:
    return claim.issuer.value


READERS: Final[Mapping[PropertyName, Callable[[Claim], ClaimValue]]] = {
    PropertyName.TYPE: lambda claim: claim.type,
    PropertyName.VALUE: lambda claim: claim.value,
    PropertyName.VALUE_TYPE: _value_type,
    PropertyName.ISSUER: _issuer,
}


def compile_expression(expression: syntax.Expression, scope: Scope, source: Source) -> Evaluator:
    """The closure of an expression that `check` let pass."""
    if isinstance(expression, syntax.Literal):
        return _literal(expression.value)
    if isinstance(expression, syntax.PropertyAccess):
        slot = scope[expression.identifier.name]
        if expression.property is PropertyName.VALUE:
            return _values(slot)
        return _attributes(slot, READERS[expression.property])
    return _call(expression, scope, source)


def _literal(value: ClaimValue) -> Evaluator:
    result = ((value,), False)
    return lambda _run, _environment: result


def _values(slot: int) -> Evaluator:
    def evaluate(run: Run, environment: Environment) -> Evaluated:
        claims = environment[slot]
        if len(claims) == 1:
            claim = claims[0]
            return (claim.value,), claim.read_only
        run.spend(len(claims))
        values = [claim.value for claim in claims]
        run.compare(values)
        return distinct(values), any(claim.read_only for claim in claims)

    return evaluate


def _attributes(slot: int, read: Callable[[Claim], ClaimValue]) -> Evaluator:
    # Only the value of a claim can be read-only; its name is no secret.
    def evaluate(run: Run, environment: Environment) -> Evaluated:
        claims = environment[slot]
        run.spend(len(claims))
        attributes = [read(claim) for claim in claims]
        if len(claims) > 1:
            run.compare(attributes)
        return distinct(attributes), False

    return evaluate


def _call(call: syntax.FunctionCall, scope: Scope, source: Source) -> Evaluator:
    name = FunctionName(call.name)
    function = FUNCTIONS[name]
    clears = name in CLEARING
    arguments = [compile_expression(argument, scope, source) for argument in call.arguments]

    def evaluate(run: Run, environment: Environment) -> Evaluated:
        results = [argument(run, environment) for argument in arguments]
        read_only = not clears and any(tainted for _, tainted in results)
        try:
            return function(run.workbench, tuple(values for values, _ in results)), read_only
        except FunctionError as error:
            raise source.failure(call.span, str(error)) from error

    return evaluate
