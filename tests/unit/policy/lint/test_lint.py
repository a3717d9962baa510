from __future__ import annotations

import pytest

from assay.policy import compile_policy, default_policy
from assay.policy.lint import CODES, LintFinding, Severity, lint_policy

DENY = '[type=="x-ms-sgx-svn", value==0] => deny();'


def lint(
    authorization: str = f"{DENY} => permit();",
    *,
    issuance: str = "",
    configuration: str = "",
    attestation_type: str | None = "SgxEnclave",
) -> list[LintFinding]:
    text = (
        f"version=1.2;\nconfigurationrules{{{configuration}}};\n"
        f"authorizationrules{{{authorization}}};\nissuancerules{{{issuance}}};\n"
    )
    return list(lint_policy(compile_policy(text), attestation_type))


def codes(found: list[LintFinding]) -> list[str]:
    return [finding.code for finding in found]


# A policy that deserves a finding, next to one that differs a little and does not.
AUTHORIZATION = [
    ("never-permits", "=> deny();", f"{DENY} => permit();"),
    ("unconditional-permit", "=> permit();", '[type=="x-ms-sgx-svn", value>=1] => permit();'),
    (
        "deny-list-open",
        '[type=="x-ms-sgx-is-debuggable", value==false] => deny(); => permit();',
        '[type=="x-ms-sgx-is-debuggable", value==true] => deny(); => permit();',
    ),
    (
        "negation-open",
        '![type=="x-ms-sgx-svn", value==0] => permit();',
        '![type=="x-ms-sgx-ehd"] => permit();',
    ),
    ("untyped-condition", "[value==true] => permit();", '[type!="a", value==true] => permit();'),
    (
        "ordering-type",
        '[type=="x-ms-attestation-type", value<"t"] => permit();',
        '[type=="x-ms-sgx-svn", value<3] => permit();',
    ),
    (
        "ordering-type",
        '[type=="x-ms-sgx-svn", valueType<"t"] => permit();',
        'c:[type=="x-ms-sgx-svn"] && [type=="x-ms-sgx-product-id", value<c.value] => permit();',
    ),
    (
        "impossible-test",
        '[type=="x-ms-sgx-svn", value>=2, issuer=="AttestationServce"] => permit();',
        '[type=="x-ms-sgx-svn", value>=2, issuer=="AttestationService"] => permit();',
    ),
    (
        "impossible-test",
        '[type=="x-ms-sgx-svn", value>=2, valueType!="int"] => permit();',
        '[type=="x-ms-sgx-svn", value>=2, valueType!="Integer"] => permit();',
    ),
    (
        "impossible-test",
        '[type=="x-ms-sgx-svn", value==2, value==3] => permit();',
        '[type=="x-ms-sgx-svn", value==2, type=="x-ms-sgx-svn", value>=1] => permit();',
    ),
    (
        "impossible-test",
        "[type==7, value==1] => permit();",
        'c:[type=="x-ms-attestation-type"] && [type==c.value, value==1] => permit();',
    ),
    (
        "use-before-add",
        '[type=="a", value==1] => permit(); => add(type="a", value=1);',
        '=> add(type="a", value=1); [type=="a", value==1] => permit();',
    ),
    (
        "unknown-claim",
        '[type=="x-ms-sgx-mrsinger", value=="a"] => permit();',
        '[type=="x-ms-sgx-mrsigner", value=="a"] => permit();',
    ),
    (
        "unknown-claim",
        '[type=="iss", value=="a"] => permit();',
        '=> add(type="iss", value="a"); [type=="iss", value=="a"] => permit();',
    ),
    (
        "deprecated-claim",
        '[type=="$svn", value==1] => permit();',
        '[type=="x-ms-sgx-svn", value==1] => permit();',
    ),
    (
        "type-mismatch",
        '[type=="x-ms-sgx-svn", value=="1"] => permit();',
        '[type=="x-ms-sgx-svn", value==1] => permit();',
    ),
    (
        "existence-test",
        '[type=="x-ms-sgx-is-debuggable"] => deny(); => permit();',
        '[type=="x-ms-sgx-is-debuggable", value==true] => deny(); => permit();',
    ),
    (
        "requires-debuggable",
        '[type=="x-ms-sgx-is-debuggable", value==true] => permit();',
        '[type=="x-ms-sgx-is-debuggable", value==false] => permit();',
    ),
    (
        "issue-in-authorization",
        f'{DENY} => issue(type="a", value=1); => permit();',
        f'{DENY} => add(type="a", value=1); => permit();',
    ),
    (
        "unused-identifier",
        'c:[type=="x-ms-sgx-svn", value==1] => permit();',
        (
            'c:[type=="x-ms-sgx-svn", value==1] => add(type="a", value=c.value); '
            '[type=="a", value==1] => permit();'
        ),
    ),
    ("duplicate-rule", f"{DENY}\n{DENY} => permit();", f"{DENY} => permit();"),
]


@pytest.mark.parametrize(("code", "bad", "good"), AUTHORIZATION)
def test_a_rule_of_authorization_is_found(code: str, bad: str, good: str) -> None:
    assert codes(lint(bad)) == [code]
    assert lint(good) == []


ISSUANCE = [
    ("ignored-property", 'type="a", value=1, issuer="AttestationService"', 'type="a", value=1'),
    ("ignored-property", 'type="a", value=1, valueType="String"', 'type="a", value=1'),
    ("integer-range", 'type="a", value=9223372036854775808', 'type="a", value=9223372036854775807'),
    ("placeholder", 'type="a", value="<signer>"', 'type="a", value="a < b > c"'),
    ("placeholder", 'type="a", value="${signer}"', 'type="a", value="$signer"'),
    ("unknown-escape", r'type="a", value="\t"', r'type="a", value="\\t\""'),
    ("string-line-break", 'type="a", value="\n"', 'type="a", value="n"'),
    ("reserved-name", 'type="x-ms-policy-hash", value="a"', 'type="hash", value="a"'),
    (
        "jmespath-syntax",
        r'type="a", value=JmesPath("{}", "[?a == 20]")',
        r'type="a", value=JmesPath("{}", "[?a == `20`]")',
    ),
    (
        "jmespath-bare-literal",
        r'type="a", value=JmesPath("{}", "[?a == true]")',
        r"""type="a", value=JmesPath("{}", "[?a == '== true']")""",
    ),
    (
        "jmespath-number-as-string",
        r"""type="a", value=JmesPath("{}", "[?a == '20']")""",
        r"""type="a", value=JmesPath("{}", "[?a == 'x20']")""",
    ),
    (
        "jmespath-vacuous-null",
        r'type="a", value=JmesPath("{}", "b[?a] != `null`")',
        r'type="a", value=JmesPath("{}", "b[?a] != `[]`")',
    ),
    (
        "jmespath-top-key",
        r'type="a", value=JmesPath("{}", "events[0]")',
        r'type="a", value=JmesPath("{}", "Events[0].events")',
    ),
    (
        "jmespath-top-key",
        r'type="a", value=JmesPath("{}", "pcrs[0]")',
        r'type="a", value=JmesPath("{}", "PCRs[0]")',
    ),
]


@pytest.mark.parametrize(("code", "bad", "good"), ISSUANCE)
def test_a_rule_of_issuance_is_found(code: str, bad: str, good: str) -> None:
    assert codes(lint(issuance=f"=> issue({bad});")) == [code]
    assert lint(issuance=f"=> issue({good});") == []


SETTINGS = [
    ("unknown-setting", 'type="x-ms-sgx-tcbidentifer", value="10"', "SgxEnclave"),
    ("setting-value", 'type="x-ms-sgx-tcbidentifier", value=11', "SgxEnclave"),
    ("setting-value", 'type="require_valid_aik_cert", value="false"', "Tpm"),
    ("setting-effect", 'type="required_pcr_mask", value=15', "SgxEnclave"),
    (None, 'type="required_pcr_mask", value=15', "Tpm"),
    (None, 'type="required_pcr_mask", value=15', None),
    (None, 'type="x-ms-sgx-tcbidentifier", value="15"', "OpenEnclave"),
    (None, 'type="x-ms-sgx-tcbidentifier", value=AppendString("1", "5")', "OpenEnclave"),
]


@pytest.mark.parametrize(("code", "claim", "attestation_type"), SETTINGS)
def test_a_setting_is_found(code: str | None, claim: str, attestation_type: str | None) -> None:
    found = lint(
        "=> deny(); => permit();",
        configuration=f"=> issueproperty({claim});",
        attestation_type=attestation_type,
    )

    assert codes(found) == ([] if code is None else [code])


def test_a_property_of_the_token_is_held_against_its_range() -> None:
    rule = '=> issueproperty(type="report_validity_in_minutes", value={});'

    for value, expected in [("9999999", ["setting-value"]), ("0", ["setting-value"]), ("60", [])]:
        found = lint("=> deny(); => permit();", issuance=rule.format(value), attestation_type="Tpm")
        assert codes(found) == expected


def test_a_configuration_rule_with_a_condition_is_found() -> None:
    rule = (
        '[type=="x-ms-sgx-svn", value>=2] '
        '=> issueproperty(type="x-ms-sgx-tcbidentifier", value="15");'
    )

    assert codes(lint(configuration=rule)) == ["configuration-condition"]


def test_a_condition_on_what_a_client_can_send_should_test_the_issuer() -> None:
    bare = '[type=="aikValidated", value==true] => permit();'
    tested = '[type=="aikValidated", value==true, issuer=="AttestationService"] => permit();'

    assert codes(lint(bare, attestation_type="Tpm")) == ["missing-issuer"]
    assert lint(tested, attestation_type="Tpm") == []


def test_a_claim_that_only_a_client_can_have_sent_may_have_any_name() -> None:
    rule = '[type=="role", value=="admin", issuer{}] => permit();'

    assert lint(rule.format('=="CustomClaim"'), attestation_type="Tpm") == []
    for other in ('=="AttestationService"', '!="CustomClaim"'):
        assert codes(lint(rule.format(other), attestation_type="Tpm")) == ["unknown-claim"]


def test_a_claim_that_a_rule_makes_under_any_name_is_known() -> None:
    rules = (
        'c:[type=="x-ms-attestation-type"] => add(type=c.value, value=true);'
        '[type=="sgx", value==true] => permit();'
    )

    assert lint(rules) == []


def test_a_claim_that_a_rule_makes_anew_can_have_another_type() -> None:
    rules = (
        'c:[type=="x-ms-sgx-svn"] => add(type="x-ms-sgx-svn", value="new");'
        '[type=="x-ms-sgx-svn", value=="new"] => permit();'
    )

    assert codes(lint(rules)) == ["unused-identifier"]


def test_an_object_claim_cannot_be_tested() -> None:
    rules = '[type=="x-ms-sgx-collateral", value=="a"] => permit();'

    assert codes(lint(rules)) == ["unknown-claim"]


def test_without_an_attestation_type_nothing_is_said_about_names() -> None:
    rules = (
        '[type=="$unheard", value=="1"] => permit();[type=="x-ms-sgx-svn", value=="1"] => deny();'
    )

    assert codes(lint(rules, attestation_type=None)) == ["deprecated-claim"]
    assert codes(lint(rules, attestation_type="Unheard")) == ["deprecated-claim"]


def test_a_deprecated_claim_is_given_its_successor() -> None:
    (finding,) = lint('[type=="$sgx-mrsigner", value=="a"] => permit();')

    assert finding.message.endswith("write x-ms-sgx-mrsigner")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sgx-mrsigner", "did you mean `x-ms-sgx-mrsigner`?"),
        ("svn", "did you mean `x-ms-sgx-svn`?"),
        ("x-ms-sgx-mrsinger", "did you mean `x-ms-sgx-mrsigner`?"),
        ("$sgx-mrsinger", "did you mean `$sgx-mrsigner`?"),
        ("maa-ehd", "makes the claim maa-ehd"),
    ],
)
def test_a_claim_that_is_not_deprecated_is_suggested(name: str, hint: str) -> None:
    found = lint(f'[type=="{name}", value=="a"] => permit();')

    assert found[-1].code == "unknown-claim"
    assert found[-1].message.endswith(hint)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            '[type=="x-ms-sgx-svn", value=="2"] => permit();',
            "x-ms-sgx-svn is of type Integer, this is of type String: write 2, without quotes",
        ),
        (
            '[type=="x-ms-sgx-svn", value=="two"] => permit();',
            "x-ms-sgx-svn is of type Integer, this is of type String",
        ),
        (
            '[type=="x-ms-sgx-is-debuggable", value=="False"] => permit();',
            (
                "x-ms-sgx-is-debuggable is of type Boolean, this is of type String: "
                "write false, without quotes"
            ),
        ),
        (
            '[type=="x-ms-sgx-is-debuggable", value==0] => permit();',
            "x-ms-sgx-is-debuggable is of type Boolean, this is of type Integer",
        ),
        (
            '[type=="x-ms-sgx-mrsigner", value==5] => permit();',
            'x-ms-sgx-mrsigner is of type String, this is of type Integer: write "5"',
        ),
        (
            '[type=="x-assay-evaluation-number", value>="15"] => permit();',
            "only integers are ordered: this never holds; write 15, without quotes",
        ),
        (
            '[type=="x-assay-tcb-date", value>="2025-01-01"] => permit();',
            "only integers are ordered: this never holds",
        ),
        (
            '[type=="x-ms-sgx-ehd", issuer=="AttestationServce"] => permit();',
            'no claim has the issuer "AttestationServce"; did you mean `AttestationService`?',
        ),
        (
            '[type=="x-ms-sgx-ehd", issuer=="me"] => permit();',
            (
                'no claim has the issuer "me"; '
                "there are AttestationService, AttestationPolicy, CustomClaim"
            ),
        ),
        (
            '[type=="x-ms-sgx-ehd", valueType=="int"] => permit();',
            'no claim has the valueType "int"; there are Boolean, Integer, String',
        ),
        (
            '[type=="x-ms-sgx-svn", value==2, value==3] => permit();',
            "no claim has this value and the one before, too; write one rule for each alternative",
        ),
        ("[type==true] => permit();", 'no claim has the type true; write "true"'),
    ],
)
def test_a_test_that_never_holds_is_told_what_would(rule: str, message: str) -> None:
    assert lint(rule)[0].message == message


def test_a_setting_is_told_what_it_can_be() -> None:
    (finding,) = lint(
        "=> deny(); => permit();",
        configuration='=> issueproperty(type="required_pcr_mask", value="15");',
        attestation_type="Tpm",
    )

    assert finding.message == (
        'required_pcr_mask: an integer from 0 to 16777215 is expected, got "15" of type String'
    )


def test_line_ends_are_noted_because_the_hash_covers_them() -> None:
    text = 'version=1.0;\r\nauthorizationrules{[type=="x", value==1] => permit();};'

    assert codes(list(lint_policy(compile_policy(text)))) == ["line-ends"]


def test_a_copied_claim_is_used_and_makes_no_setting() -> None:
    rule = 'c:[type=="x-ms-sgx-svn"] => issueproperty(claim=c);'

    assert lint(issuance=rule) == []


def test_a_finding_has_its_place_and_reads_as_a_line() -> None:
    (finding,) = lint(issuance='=> issue(type="a", value="<x>");')

    assert (finding.line, finding.column, finding.length) == (4, 40, 5)
    assert finding.severity is Severity.WARNING
    assert finding.source == 'issuancerules{=> issue(type="a", value="<x>");};'
    assert finding.caret == " " * 39 + "^" * 5
    assert str(finding) == (
        "line 4, column 40: warning: "
        "this looks like a placeholder that was not filled in [placeholder]"
    )


def test_findings_come_in_the_order_of_the_text() -> None:
    found = lint("[value==1] => deny(); => permit();\n[value==2] => deny();")

    assert [(finding.line, finding.column) for finding in found] == [(3, 20), (4, 1)]


def test_every_code_is_listed_and_found_in_some_test() -> None:
    tested = {code for code, *_ in (*AUTHORIZATION, *ISSUANCE, *SETTINGS) if code is not None}

    assert list(CODES) == sorted(set(CODES))
    assert set(CODES) - tested == {
        *("configuration-condition", "line-ends", "missing-issuer"),
        *("argument-type", "silence-unknown", "silence-unused"),  # in modules of their own
    }


@pytest.mark.parametrize(
    ("attestation_type", "expected"),
    [
        ("SgxEnclave", {"unconditional-permit"}),
        ("SevSnpVm", {"unconditional-permit"}),
        ("AzureGuest", {"deny-list-open"}),
    ],
)
def test_what_is_said_of_the_default_policies(attestation_type: str, expected: set[str]) -> None:
    text = default_policy(attestation_type)
    assert text is not None

    assert set(codes(list(lint_policy(compile_policy(text), attestation_type)))) == expected


def test_a_query_that_comes_from_a_claim_is_not_looked_at() -> None:
    rule = 'c:[type=="x-ms-sgx-mrsigner"] => issue(type="a", value=JmesPath("{}", c.value));'

    assert lint(issuance=rule) == []
