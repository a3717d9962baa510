"""What claims a token must have, as keyword arguments: `require(svn__ge=3, debuggable=False)`.

| form | holds where the claim |
|---|---|
| `svn=3` | is there and equal; a number never equals a boolean |
| `svn__ge=3`, `__gt`, `__le`, `__lt` | is a number at least, above, at most, below |
| `tcb_status__in=("UpToDate", "SWHardeningNeeded")` | is one of these |

A claim that is not in the token meets nothing. Names are the short ones of `SHORT_NAMES` and every
single-valued claim of the catalogue with its hyphens as underscores (`x_ms_sevsnpvm_vmpl`). Claims
that a policy issues under names of its own are given by `claims=`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from operator import eq, ge, gt, le, lt
from types import MappingProxyType
from typing import Final, TypeAlias, final

from assay.claims.names import CATALOGUE, ClaimType, Where
from assay.encoding import EncodingError, JsonValue, decode_hex
from assay.errors import Finding, RequirementError

Scalar: TypeAlias = str | int | bool | bytes
"""What a claim may be compared with; bytes are for claims of hexadecimal digits."""

SHORT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "attestation_type": "x-ms-attestation-type",
        "compliance_status": "x-ms-compliance-status",
        "config_id": "x-ms-sgx-config-id",
        "config_svn": "x-ms-sgx-config-svn",
        "debuggable": "x-ms-sgx-is-debuggable",
        "evaluation_number": "x-assay-evaluation-number",
        "mrenclave": "x-ms-sgx-mrenclave",
        "mrsigner": "x-ms-sgx-mrsigner",
        "policy_hash": "x-ms-policy-hash",
        "product_id": "x-ms-sgx-product-id",
        "svn": "x-ms-sgx-svn",
        "tcb_status": "x-assay-tcb-status",
    }
)

_TYPES: Final[Mapping[ClaimType, type[str | int | bool]]] = {
    ClaimType.BOOLEAN: bool,
    ClaimType.INTEGER: int,
    ClaimType.STRING: str,
}

_CLAIMS: Final[Mapping[str, type[str | int | bool]]] = {
    row.name: _TYPES[row.type]
    for table in CATALOGUE.values()
    for row in table.values()
    if row.type in _TYPES and row.where & (Where.TOKEN | Where.ISSUED)
}
_NAMES: Final[Mapping[str, str]] = {
    **{name.replace("-", "_"): name for name in _CLAIMS},
    **SHORT_NAMES,
}

_HEX_SIZES: Final[Mapping[str, int]] = {
    "x-ms-sgx-mrenclave": 32,
    "x-ms-sgx-mrsigner": 32,
    "x-ms-sgx-config-id": 64,
    "x-ms-sgx-report-data": 64,
    "x-ms-sgx-isv-family-id": 16,
    "x-ms-sgx-isv-extended-product-id": 16,
    "x-ms-sevsnpvm-launchmeasurement": 48,
    "x-ms-sevsnpvm-hostdata": 32,
    "x-ms-sevsnpvm-idkeydigest": 48,
    "x-ms-sevsnpvm-authorkeydigest": 48,
    "tdx_mrtd": 48,
    "tdx_mrseam": 48,
}
"""Claims that are hexadecimal digits, with the number of bytes: a digit too few is a mistake that
no token would ever meet, and one that nobody would see."""

_ORDERS: Final[Mapping[str, tuple[str, Callable[[int, int], bool]]]] = {
    "ge": ("at least", ge),
    "gt": ("above", gt),
    "le": ("at most", le),
    "lt": ("below", lt),
}
_SHOWN_CHARACTERS: Final = 80


@final
@dataclass(frozen=True, slots=True)
class Requirement:
    """One claim and what holds of it."""

    claim: str
    expected: str
    """The demand in words."""

    _holds: Callable[[JsonValue], bool]

    def finding(self, claims: Mapping[str, JsonValue]) -> Finding | None:
        """What is wrong with the claim, if anything is."""
        actual = claims.get(self.claim)
        # What is absent or null meets nothing, whatever the operator.
        if actual is not None and self._holds(actual):
            return None
        return Finding(
            check="token.claims.requirement",
            expected=f"{self.claim} {self.expected}",
            actual="nothing" if actual is None else _shown(actual),
        )


@final
@dataclass(frozen=True, slots=True)
class Requirements:
    """Requirements that must all hold."""

    items: tuple[Requirement, ...] = ()

    @property
    def claims(self) -> frozenset[str]:
        """The claims that they are about."""
        return frozenset(item.claim for item in self.items)

    def findings(self, claims: Mapping[str, JsonValue]) -> tuple[Finding, ...]:
        """One finding for each that does not hold."""
        found = (item.finding(claims) for item in self.items)
        return tuple(one for one in found if one is not None)


def require(
    claims: Mapping[str, Scalar] | None = None, /, **named: Scalar | Collection[Scalar]
) -> Requirements:
    """Requirements on the claims of a token; see the module for the forms.

    Args:
        claims: Claims by their exact names, as policies issue them, and the values they must have.
        named: Claims of the catalogue, perhaps with an operator.

    Raises:
        RequirementError: A name or an operator is unknown, or a value is of another type than the
            claim; it says what was probably meant.
    """
    custom = [_equal(name, _scalar(name, value)) for name, value in (claims or {}).items()]
    return Requirements((*custom, *(_named(name, value) for name, value in named.items())))


def _named(argument: str, value: Scalar | Collection[Scalar]) -> Requirement:
    name, _, operator = argument.rpartition("__") if "__" in argument else (argument, "", "")
    claim = _NAMES.get(name)
    if claim is None:
        raise _unknown("claim", name, _NAMES)
    if operator == "in":
        return _one_of(claim, value)
    if operator in _ORDERS:
        return _ordered(claim, operator, value)
    if operator:
        raise _unknown("operator", operator, (*_ORDERS, "in"))
    return _equal(claim, _scalar(claim, value))


def _equal(claim: str, wanted: str | int | bool) -> Requirement:  # noqa: FBT001  a value
    kind = type(wanted)
    return Requirement(
        claim, _shown(wanted), lambda actual: type(actual) is kind and eq(actual, wanted)
    )


def _one_of(claim: str, values: Scalar | Collection[Scalar]) -> Requirement:
    if isinstance(values, str | bytes | int) or not values:
        raise RequirementError(
            f"{claim}: need a collection of one or more values for `in`, got {_shown(values)}"
        )
    # By type too: True equals 1 in Python.
    wanted = frozenset((type(one), one) for one in (_scalar(claim, value) for value in values))
    words = " or ".join(sorted(_shown(one) for _, one in wanted))

    def holds(actual: JsonValue) -> bool:
        return isinstance(actual, str | int) and (type(actual), actual) in wanted

    return Requirement(claim, words, holds)


def _ordered(claim: str, operator: str, value: Scalar | Collection[Scalar]) -> Requirement:
    words, compare = _ORDERS[operator]
    limit = _scalar(claim, value)
    if type(limit) is not int:
        raise RequirementError(f"{claim}: need a number for `{operator}`, got {_shown(value)}")

    def holds(actual: JsonValue) -> bool:
        return type(actual) is int and compare(actual, limit)

    return Requirement(claim, f"{words} {limit}", holds)


def _scalar(claim: str, value: object) -> str | int | bool:
    """The value as it stands in tokens."""
    if isinstance(value, bytes):
        value = value.hex()
    kind = _CLAIMS.get(claim)
    if kind is None and isinstance(value, str | int):
        return value
    if kind is None or type(value) is not kind:
        wanted = "a string, number or boolean" if kind is None else kind.__name__
        raise RequirementError(f"{claim}: need a value of type {wanted}, got {_shown(value)}")
    if claim in _HEX_SIZES and isinstance(value, str):
        try:
            return decode_hex(value, claim, size=_HEX_SIZES[claim]).hex()
        except EncodingError as error:
            raise RequirementError(error.message) from error
    assert isinstance(value, str | int)  # noqa: S101  as `kind` is
    return value


def _unknown(what: str, name: str, known: Collection[str]) -> RequirementError:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(SHORT_NAMES))}"
    return RequirementError(f"no {what} has the name {name!r}; {hint}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
