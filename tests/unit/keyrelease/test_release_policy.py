from __future__ import annotations

import pytest

from assay.errors import SettingsError
from tests.unit.keyrelease.conftest import POLICY, release_rules


def test_a_secret_without_rules_is_refused() -> None:
    with pytest.raises(SettingsError, match="anybody"):
        release_rules(required={}, text=None)


def test_rules_differ_in_their_digest_where_they_differ() -> None:
    digests = {
        rules.digest
        for rules in (
            release_rules(),
            release_rules(text=None),
            release_rules(text=POLICY + " "),
            release_rules(required={"svn__ge": 3}),
            release_rules(required={"svn__in": [3, 4]}),
            release_rules(required={"svn__in": [3, 5]}),
            release_rules(claims={"tier": "gold"}),
            release_rules(claims={"tier": True}),
        )
    }

    assert len(digests) == 8
    assert release_rules().digest == release_rules().digest


def test_a_value_that_no_rule_has_is_refused() -> None:
    with pytest.raises(SettingsError):
        release_rules(required={"svn": 1.5})


def test_a_policy_sees_each_element_of_an_array() -> None:
    rules = release_rules(
        required={},
        text='version=1.0; authorizationrules { [type=="tag", value=="b"] => permit(); };'
        "issuancerules {};",
    )

    assert rules.findings({"tag": ["a", "b"], "other": {"x": 1}, "half": 1.5}) == ()
    assert [one.check for one in rules.findings({"tag": "a"})] == ["keyrelease.policy.denied"]
