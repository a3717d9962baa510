"""Any text is a policy or a syntax error; any policy decides or fails, and does so twice alike."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay", "jmespath"]):
    from assay.claims import Claim, ClaimIssuer
    from assay.policy import (
        CompiledPolicy,
        Decision,
        PolicyEvaluationError,
        PolicySyntaxError,
        compile_policy,
        default_policy,
        format_policy,
    )

# The fuzzer is not to learn the frame of a policy before it can look at rules.
_FRAMES: Final = (
    "{}",
    "version=1.0;authorizationrules{{{}}};",
    "version=1.2;authorizationrules{{{}}};",
    "version=1.2;authorizationrules{{=> permit();}};issuancerules{{{}}};",
    'version=1.2;authorizationrules{{=> permit();c:[type=="j"]=>add(type="r",value={});}};',
    'version=1.2;authorizationrules{{c:[type=="j"]=>add(type="r",value=JmesPath(c.value,"{}"));}};',
    "version=1.1;configurationrules{{{}}};",
)
_CLAIMS: Final = (
    Claim("x-ms-sgx-is-debuggable", value=False),
    Claim("x-ms-sgx-svn", 3),
    Claim("x-ms-attestation-type", "sgx"),
    Claim("j", '{"Events":[{"a":1,"b":["x",null,true]},{"a":2.5,"b":{}}]}'),
    Claim("a", "x", ClaimIssuer.CUSTOM),
    Claim("pcrs", '{"PCRs":[{"Index":0}]}', ClaimIssuer.SERVICE, read_only=True),
)


SEEDS: Final = (
    b"\0" + (default_policy("SgxEnclave") or "").encode(),
    b"\0" + (default_policy("AzureGuest") or "").encode(),
    b'\1[type=="x-ms-sgx-svn", value>=2, value<9] && ![type=="a", value!="x"] => permit();',
    b'\2c:[type=="a"] && d:[value==c.value] => add(claim=d); => deny();',
    b'\3c:[type=="j"] => issue(type="b", value=JsonToClaimValue(JmesPath(c.value, "a[0].b")));',
    b'\3=> issueproperty(type="a", value=NegateBool(IsSubsetOf(1, AppendString("a", "b"))));',
    b'\4ContainsOnlyValue(JsonToClaimValue("[1,null]"), 1)',
    b"\5Events[?a > `1`].{c: b} | [0]",
    b"\5@ | [@,@] | [@,@][] | sort_by(@, &to_string(@))",
    b"\5Events[?a == `1` || b[0] == 'x' && !(a > `2`)][] | join('', [to_string(@), 'x'])",
    b"\5*.a[::-1] | map(&[@, type(@)], to_array(@)) | {a: @, b: [0]}",
    b'\6=> issueproperty(type="x-ms-sgx-tcbidentifier", value=11);',
    b'\1[type="a"] || EXISTS([]) => Permit();\n# \xe2\x80\x9cx <y> 0x1',
)


def outcome(policy: CompiledPolicy) -> str:
    try:
        settings = repr(dict(policy.configuration()))
        evaluation = policy.evaluate(_CLAIMS)
    except PolicyEvaluationError as error:
        return str(error)
    refused = evaluation.decision is not Decision.PERMIT
    if refused and (evaluation.issued or evaluation.properties):
        raise AssertionError("a refusal issues claims")
    return f"{settings} {evaluation!r} {evaluation.explanation} {evaluation.trace!r}"


def test_one_input(data: bytes) -> None:
    if not data:
        return
    frame = _FRAMES[data[0] % len(_FRAMES)]
    text = frame.format(data[1:].decode("utf-8", "surrogateescape"))
    try:
        policy = compile_policy(text)
    except PolicySyntaxError as error:
        if not error.problems:
            raise AssertionError("a refusal without a problem") from error
        return
    if outcome(policy) != outcome(compile_policy(text)):
        raise AssertionError("two evaluations differ")
    formatted = format_policy(text)
    if format_policy(formatted) != formatted:
        raise AssertionError("formatting again changes the text")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
