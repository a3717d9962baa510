"""The examples of `docs/policy-language.md`: a policy, and what comes of it.

A block `policy` holds a whole text. The block `outcome` below it has, for each line `claims`, the
lines that say what comes of them; `error` has the error for which the text is no policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pytest

from assay.encoding import JsonValue, parse_json_object
from assay.policy import CompiledPolicy, PolicySyntaxError, compile_policy
from assay.policy.incoming import read_incoming_claims
from assay.policy.outcome import ERROR, Outcome, evaluate_policy

_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINE: Final = re.compile(r"(claims|decision|issued|properties|configuration|reason) +(.*)")


@dataclass(frozen=True)
class Example:
    line: int
    """Of its policy on the page."""

    policy: str
    kind: str
    """`outcome` or `error`."""

    expected: str

    @property
    def runs(self) -> tuple[dict[str, str], ...]:
        """For each set of claims what the page says, by the words at the lines' beginnings."""
        found: list[dict[str, str]] = []
        for line in filter(None, self.expected.splitlines()):
            match = _LINE.fullmatch(line)
            assert match is not None, line
            if match[1] == "claims":
                found.append({})
            assert match[1] not in found[-1], line
            found[-1][match[1]] = match[2]
        return tuple(found)


def policy_examples(page: str) -> Iterator[Example]:
    """All of them, in the order of the page."""
    found = list(_BLOCK.finditer(page))
    for block, below in zip(found, [*found[1:], None], strict=True):
        if block[1] == "policy":
            line = page.count("\n", 0, block.start()) + 1
            assert below is not None, f"line {line}: nothing is said of this policy"
            assert below[1] in {"outcome", "error"}, f"line {line}: nothing is said of this policy"
            yield Example(line, block[2], below[1], below[2])


def printed_error(text: str) -> str:
    """What is printed of a text that is no policy."""
    with pytest.raises(PolicySyntaxError) as refused:
        compile_policy(text)
    # The mark of what lacks at the end of a text stands below an empty line.
    return "".join(f"{line.rstrip()}\n" for line in str(refused.value).splitlines())


def run(policy: CompiledPolicy, claims: str) -> dict[str, str]:
    """What comes of claims, in the words of the page."""
    incoming = read_incoming_claims(parse_json_object(claims.encode(), "claims"), "claims")
    outcome = evaluate_policy(policy, incoming)
    members = {
        "issued": outcome.claims,
        "properties": outcome.properties,
        "configuration": outcome.configuration,
    }
    return {
        "claims": claims,
        "decision": outcome.decision,
        **{word: _json(found) for word, found in members.items() if found},
        "reason": _reason(outcome),
    }


def _reason(outcome: Outcome) -> str:
    return str(outcome.error) if outcome.decision == ERROR else outcome.explanation


def _json(members: Mapping[str, JsonValue]) -> str:
    return json.dumps(dict(members), ensure_ascii=False)
