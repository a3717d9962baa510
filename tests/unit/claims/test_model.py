from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.claims import Claim, ClaimIssuer, ClaimSet, ClaimValue, ValueType
from assay.claims.model import value_type_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, ValueType.BOOLEAN),
        (False, ValueType.BOOLEAN),
        (0, ValueType.INTEGER),
        (1, ValueType.INTEGER),
        (-(2**63), ValueType.INTEGER),
        ("", ValueType.STRING),
        ("true", ValueType.STRING),
    ],
)
def test_value_type_is_the_policy_languages_own(value: ClaimValue, expected: ValueType) -> None:
    assert value_type_of(value) is expected
    assert Claim("name", value).value_type is expected


def test_types_and_issuers_are_spelled_as_policies_spell_them() -> None:
    assert set(ValueType) == {"Boolean", "Integer", "String"}
    assert set(ClaimIssuer) == {"AttestationService", "AttestationPolicy", "CustomClaim"}


def test_a_claim_is_the_services_and_may_be_issued_unless_said_otherwise() -> None:
    claim = Claim("name", "value")

    assert claim.issuer is ClaimIssuer.SERVICE
    assert not claim.read_only


@pytest.mark.parametrize(
    "other",
    [
        Claim("other", 1),
        Claim("name", 2),
        Claim("name", "1"),
        Claim("name", True),  # noqa: FBT003  a claim's value
        Claim("name", 1, ClaimIssuer.POLICY),
        Claim("name", 1, read_only=True),
        "name",
    ],
)
def test_claims_that_differ_in_one_thing_are_not_equal(other: object) -> None:
    assert Claim("name", 1) != other


def test_a_boolean_and_an_integer_are_two_members_of_a_set() -> None:
    assert len({Claim("name", 1), Claim("name", True)}) == 2  # noqa: FBT003  a claim's value


def test_claims_and_sets_do_not_change() -> None:
    claim = Claim("name", 1)
    claims = ClaimSet(incoming=(claim,), token={"name": 1})

    with pytest.raises(AttributeError):
        claim.value = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        claims.incoming = ()  # type: ignore[misc]


@pytest.mark.property
@given(st.text(), st.one_of(st.booleans(), st.integers(), st.text()), st.sampled_from(ClaimIssuer))
def test_equal_claims_have_equal_hashes(name: str, value: ClaimValue, issuer: ClaimIssuer) -> None:
    assert Claim(name, value, issuer) == Claim(name, value, issuer)
    assert hash(Claim(name, value, issuer)) == hash(Claim(name, value, issuer))
