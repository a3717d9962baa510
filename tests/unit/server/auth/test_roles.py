from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.access import Grants, Right
from assay.encoding import JsonValue
from assay.server.auth.roles import claimed_grants
from assay.server.auth.settings import ClaimGrant
from tests.issuers import grant

_READ = grant("roles", "reader", Right.READ)
_SCOPE = grant("scp", "policies.read", Right.READ)


def _allowed(rule: ClaimGrant, claims: dict[str, JsonValue]) -> bool:
    return claimed_grants([rule], claims).allow(Right.READ, "a")


@pytest.mark.parametrize("value", ["reader", ["reader"], ["other", "reader"]])
def test_a_claim_with_the_value_gives_the_right(value: JsonValue) -> None:
    assert _allowed(_READ, {"roles": value})


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1,
        "",
        "Reader",
        "readers",
        "reader ",
        "other reader",
        [],
        ["readers"],
        [["reader"]],
        {"reader": True},
        [{"reader": 1}],
    ],
)
def test_any_other_value_gives_nothing(value: JsonValue) -> None:
    """PO-07: no part of a value counts for the whole."""
    assert not _allowed(_READ, {"roles": value})


@pytest.mark.parametrize("claims", [{}, {"Roles": "reader"}, {"role": "reader"}])
def test_another_claim_gives_nothing(claims: dict[str, JsonValue]) -> None:
    assert not _allowed(_READ, claims)


@pytest.mark.parametrize("value", ["policies.read", "openid policies.read", ["policies.read"]])
def test_scopes_are_a_list_in_one_string(value: JsonValue) -> None:
    assert _allowed(_SCOPE, {"scp": value})


@pytest.mark.parametrize("value", ["policies.readwrite", "policies", "openid,policies.read"])
def test_part_of_a_scope_is_none(value: JsonValue) -> None:
    assert not _allowed(_SCOPE, {"scp": value})


def test_a_claim_may_be_inside_an_object() -> None:
    """Where Keycloak has its roles."""
    rule = grant(("realm_access", "roles"), "reader", Right.READ)

    assert _allowed(rule, {"realm_access": {"roles": ["reader"]}})
    assert not _allowed(rule, {"realm_access": ["roles", "reader"]})
    assert not _allowed(rule, {"realm_access.roles": ["reader"]})
    assert not _allowed(rule, {"roles": ["reader"]})


def test_a_name_with_dots_is_one_name() -> None:
    rule = grant("https://example.com/roles.all", "reader", Right.READ)

    assert _allowed(rule, {"https://example.com/roles.all": ["reader"]})


def test_rights_add_up_each_for_its_instance() -> None:
    rules = [_READ, grant("groups", "g", Right.WRITE, to="a"), grant("groups", "h", Right.DELETE)]

    grants = claimed_grants(rules, {"roles": ["reader"], "groups": ["g"]})

    assert grants == Grants.parse(["read@*", "write@a"])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["reader", "roles", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["roles", "scp", "a"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["roles", "scp", "a"]), _JSON))
def test_no_claims_give_more_than_the_rules(claims: dict[str, JsonValue]) -> None:
    grants = claimed_grants([_READ, grant(("a", "roles"), "a", Right.READ, to="a")], claims)

    assert set(grants.texts) <= {"read@*", "read@a"}
