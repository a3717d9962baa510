from __future__ import annotations

import assay.policy


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
