from __future__ import annotations

import pytest

from assay.claims import Claim
from assay.policy import compile_policy
from assay.policy.difference import Effect, ValueChange, compare_policies

SVN = (Claim("svn", 3),)


def policy(rule: str, *, issuance: str = "", configuration: str = "") -> str:
    return (
        f"version=1.2;configurationrules{{{configuration}}};"
        f"authorizationrules{{{rule}}};issuancerules{{{issuance}}};"
    )


PERMIT = '[type=="svn", value>=2] => permit();'


@pytest.mark.parametrize(
    ("before", "after", "effect"),
    [
        (policy(PERMIT), policy(PERMIT.replace("2", "3")), Effect.SAME),
        (policy(PERMIT.replace("2", "4")), policy(PERMIT), Effect.PERMITS),
        (policy(PERMIT), policy(PERMIT.replace("2", "4")), Effect.REFUSES),
        (policy(""), policy("=> deny();"), Effect.REFUSES_OTHERWISE),
        (
            policy(PERMIT),
            policy(PERMIT, issuance='=> issue(type="a", value=1);'),
            Effect.ANSWERS_OTHERWISE,
        ),
    ],
)
def test_a_change_is_told_by_its_effect(before: str, after: str, effect: Effect) -> None:
    (one,) = compare_policies(compile_policy(before), compile_policy(after), [("in", SVN)])

    assert one.name == "in"
    assert one.effect is effect


def test_every_member_that_differs_is_named_with_both_values() -> None:
    before = policy(
        PERMIT,
        issuance='=> issue(type="a", value=1);=> issue(type="same", value=1);',
        configuration='=> issueproperty(type="required_pcr_mask", value=15);',
    )
    after = policy(
        PERMIT,
        issuance='=> issue(type="a", value=true);=> issue(type="same", value=1);'
        '=> issueproperty(type="omit_x5c", value=true);',
    )

    (one,) = compare_policies(compile_policy(before), compile_policy(after), [("in", SVN)])

    assert one.changes == (
        ValueChange(member="claims", name="a", before="1", after="true"),
        ValueChange(member="configuration", name="required_pcr_mask", before="15", after="nothing"),
        ValueChange(member="properties", name="omit_x5c", before="nothing", after="true"),
    )
