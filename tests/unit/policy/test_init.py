from __future__ import annotations

import assay.policy
from assay.policy import cursor, functions, meter, parser, query, run, tokens


def test_what_is_exported_is_there() -> None:
    assert set(assay.policy.__all__) == {
        "MAX_POLICY_BYTES",
        "CompiledPolicy",
        "ConditionRecord",
        "Decision",
        "Evaluation",
        "LintFinding",
        "PolicyEvaluationError",
        "PolicyProblem",
        "PolicySyntaxError",
        "RuleRecord",
        "RuleReference",
        "compile_policy",
        "default_policy",
        "format_policy",
        "lint_policy",
        "policy_hash",
    }
    assert all(hasattr(assay.policy, name) for name in assay.policy.__all__)


def test_the_bounds_are_those_that_the_documentation_gives() -> None:
    assert assay.policy.MAX_POLICY_BYTES == 1_048_576
    assert (tokens.MAX_TOKENS, parser.MAX_RULES, cursor.MAX_PROBLEMS) == (100_000, 5_000, 50)
    assert (run.MAX_INCOMING_CLAIMS, run.MAX_OUTPUT_CHARACTERS) == (10_000, 1_048_576)
    assert (meter.MAX_STEPS, meter.CHARACTERS_A_STEP) == (2_000_000, 16)
    assert (meter.MAX_STRING_CHARACTERS, query.MAX_QUERY_CHARACTERS) == (4_194_304, 16_384)
    assert (functions.MIN_INTEGER, functions.MAX_INTEGER) == (-(2**63), 2**63 - 1)
