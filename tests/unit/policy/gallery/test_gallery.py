"""Every template keeps its promises, and its fixture notices when it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from assay.claims import CATALOGUE
from assay.encoding import parse_json_object
from assay.policy import compile_policy, format_policy, syntax
from assay.policy.fixtures import Fixture, Status, read_fixture, run_fixture
from assay.policy.gallery import TEMPLATES, Template
from assay.policy.lint import lint_policy
from assay.policy.review import review_policy

EACH = pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.name)


def fixture(template: Template) -> Fixture:
    return read_fixture(parse_json_object(template.fixture.encode(), "fixture"), "fixture")


def failures(text: str, expected: Fixture) -> list[str]:
    return [one.name for one in run_fixture(text, expected) if one.status is Status.FAILED]


def test_the_gallery_has_something_for_every_attestation_type() -> None:
    assert {one for template in TEMPLATES for one in template.types} == set(CATALOGUE)
    assert len({template.name for template in TEMPLATES}) == len(TEMPLATES) >= 8


@EACH
def test_a_template_is_formatted_and_without_findings(template: Template) -> None:
    assert format_policy(template.policy) == template.policy
    for attestation_type in template.types:
        assert review_policy(template.policy, attestation_type) == ()
        assert lint_policy(compile_policy(template.policy), attestation_type) == ()


@EACH
def test_a_template_passes_its_fixture_which_permits_and_refuses(template: Template) -> None:
    expected = fixture(template)

    assert failures(template.policy, expected) == []
    assert expected.attestation_type == template.types[0]
    decisions = [case.decision for case in expected.cases]
    assert decisions[0] == "permit"
    assert decisions.count("no-permit") + decisions.count("deny") >= 2


@EACH
def test_a_fixture_notices_that_a_rule_or_the_test_of_a_value_is_missing(
    template: Template,
) -> None:
    expected = fixture(template)

    unnoticed = [
        removed
        for removed, text in _without_something(template.policy)
        if not failures(text, expected)
    ]

    assert unnoticed == []


@EACH
def test_a_template_says_what_it_is_and_where_to_edit_samples(template: Template) -> None:
    assert template.policy.startswith("// ")
    # No author could overlook a sample that is not of the size of a measurement.
    samples = re.findall(r'"([0-9a-f]{16,})"', template.policy)
    assert {len(sample) for sample in samples} <= {64, 96}
    assert not samples or "EDIT" in template.policy


def _without_something(text: str) -> Iterator[tuple[str, str]]:
    for section in compile_policy(text).tree.sections:
        for rule in section.rules:
            start, end = rule.span
            yield text[start:end], text[:start] + text[end + 1 :]
            for condition in rule.conditions:
                for test in condition.tests:
                    if test.property is syntax.PropertyName.VALUE:
                        start, end = test.span
                        yield text[start:end], text[:start].rstrip(", ") + text[end:]
