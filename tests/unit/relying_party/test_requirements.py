from __future__ import annotations

from typing import Any

import pytest

from assay.errors import RequirementError
from assay.relying_party.requirements import SHORT_NAMES, require
from tests.attestation_tokens import MR_SIGNER, claims


def _holds(claim_changes: dict[str, Any], **named: Any) -> bool:  # noqa: ANN401  values by name
    return require(**named).findings(claims(**claim_changes)) == ()


@pytest.mark.parametrize(
    "named",
    [
        {"mrsigner": MR_SIGNER},
        {"mrsigner": MR_SIGNER.upper()},
        {"mrsigner": bytes.fromhex(MR_SIGNER)},
        {"svn": 3},
        {"svn__ge": 3},
        {"svn__gt": 2},
        {"svn__le": 3},
        {"svn__lt": 4},
        {"svn__in": (1, 3)},
        {"debuggable": False},
        {"tcb_status__in": {"UpToDate", "SWHardeningNeeded"}},
        {"x_ms_sgx_product_id": 7},
        {"attestation_type": "sgx", "policy_hash": "hash-of-a-policy"},
    ],
)
def test_a_claim_that_is_as_required_is_found_good(named: dict[str, Any]) -> None:
    assert _holds({}, **named)


@pytest.mark.parametrize(
    "named",
    [
        {"mrsigner": "00" * 32},
        {"svn": 4},
        {"svn__ge": 4},
        {"svn__gt": 3},
        {"svn__le": 2},
        {"svn__lt": 3},
        {"svn__in": (1, 2)},
        {"debuggable": True},
        {"tcb_status__in": ("OutOfDate",)},
    ],
)
def test_a_claim_that_is_otherwise_is_found(named: dict[str, Any]) -> None:
    (finding,) = require(**named).findings(claims())

    assert finding.check == "token.claims.requirement"


@pytest.mark.parametrize(
    "named", [{"svn": 3}, {"svn__ge": 0}, {"svn__le": 9}, {"svn__in": (3,)}, {"debuggable": False}]
)
@pytest.mark.parametrize("absent", ["left out", "null"])
def test_a_claim_that_is_absent_meets_nothing(named: dict[str, Any], absent: str) -> None:
    found = claims()
    for name in ("x-ms-sgx-svn", "x-ms-sgx-is-debuggable"):
        if absent == "null":
            found[name] = None
        else:
            del found[name]

    assert [one.actual for one in require(**named).findings(found)] == ["nothing"]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (True, {"svn": 1}),
        (True, {"svn__ge": 1}),
        (True, {"svn__in": (1,)}),
        ("3", {"svn": 3}),
        ("3", {"svn__ge": 3}),
        (3.0, {"svn": 3}),
        ([3], {"svn__in": (3,)}),
    ],
)
def test_a_claim_of_another_type_meets_nothing(value: Any, named: dict[str, Any]) -> None:  # noqa: ANN401
    assert not _holds({"x_ms_sgx_svn": value}, **named)


def test_a_boolean_is_no_number() -> None:
    assert not _holds({"x_ms_sgx_is_debuggable": 0}, debuggable=False)


def test_every_requirement_that_fails_is_told() -> None:
    found = require(svn__ge=9, debuggable=True, product_id=7).findings(claims())

    assert [one.expected for one in found] == [
        "x-ms-sgx-svn at least 9",
        "x-ms-sgx-is-debuggable True",
    ]


def test_claims_of_a_policys_own_are_required_by_their_name() -> None:
    demand = require({"tier": "gold", "level": 2, "ready": True})

    assert demand.findings(claims(tier="gold", level=2, ready=True)) == ()
    assert len(demand.findings(claims(tier="Gold", level=True, ready=1))) == 3


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ({"mrsinger": MR_SIGNER}, "did you mean 'mrsigner'"),
        ({"svn__gte": 3}, "did you mean 'g"),
        ({"debugable": False}, "did you mean 'debuggable'"),
        ({"svn__between": 3}, "no operator"),
        ({"zzz": 3}, "known: attestation_type"),
        ({"": 3}, "no claim"),
        ({"__ge": 3}, "no claim"),
    ],
)
def test_a_name_that_nobody_knows_is_refused_with_what_was_meant(
    named: dict[str, Any], meant: str
) -> None:
    with pytest.raises(RequirementError, match=meant):
        require(**named)


@pytest.mark.parametrize(
    "named",
    [
        {"svn": "3"},
        {"svn": True},
        {"svn": None},
        {"svn": 3.0},
        {"svn__ge": True},
        {"svn__ge": "3"},
        {"svn__in": 3},
        {"svn__in": ()},
        {"svn__in": ("3",)},
        {"tcb_status__in": "UpToDate"},
        {"tcb_status__ge": "UpToDate"},
        {"debuggable": 0},
        {"debuggable": "false"},
        {"mrsigner": MR_SIGNER[:-2]},
        {"mrsigner": "5a" * 31 + "zz"},
        {"mrsigner": b"\x5a" * 31},
        {"attestation_type": {"sgx": 1}},
    ],
)
def test_a_value_that_no_claim_has_is_refused(named: dict[str, Any]) -> None:
    with pytest.raises(RequirementError):
        require(**named)


def test_a_custom_claim_needs_a_plain_value() -> None:
    with pytest.raises(RequirementError, match="a string, number or boolean"):
        require({"tier": ["gold"]})  # type: ignore[dict-item]


def test_a_long_value_is_shown_in_part() -> None:
    (finding,) = require({"tier": "gold"}).findings(claims(tier="x" * 1000))

    assert len(finding.actual) < 100


def test_the_short_names_are_of_claims_in_tokens() -> None:
    for name, claim in SHORT_NAMES.items():
        with pytest.raises(RequirementError, match=claim):
            require(**{name: 1.5})  # type: ignore[arg-type]
