"""The policy language, versions 1.0, 1.1 and 1.2: text to a decision and issued claims.

`compile_policy` reads a text once; the result is evaluated over the claims of each piece of
evidence, without I/O, without a clock, and in bounded work.
"""

from assay.policy.compiler import MAX_POLICY_BYTES, compile_policy
from assay.policy.defaults import default_policy
from assay.policy.digest import policy_hash
from assay.policy.evaluation import CompiledPolicy, Decision, Evaluation
from assay.policy.explain import ConditionRecord, RuleRecord, RuleReference
from assay.policy.format import format_policy
from assay.policy.lint import LintFinding, lint_policy
from assay.policy.source import PolicyEvaluationError, PolicyProblem, PolicySyntaxError

__all__ = [
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
]
