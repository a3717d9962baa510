from __future__ import annotations

import pytest

from assay.encoding import JsonValue
from assay.keys import SigningAlgorithm
from assay.keys.software import generate_key
from assay.token import sign_token
from tests.conftest import AT
from tests.unit.cli.commands.policy.conftest import GOOD, WRONG, Write
from tests.unit.cli.conftest import Files, Run

BY_MANY = """version=1.2;
authorizationrules
{
    [type!="none"] => permit();
    c:[type=="x-ms-sgx-svn"] &&
    ![type=="role", issuer=="CustomClaim"]
        => deny();
};
"""


def token(claims: dict[str, JsonValue]) -> str:
    key = generate_key(SigningAlgorithm.ES256, created_at=AT)
    return sign_token({"iss": "https://a.example", **claims}, key, issuer="https://a.example")


def test_each_rule_says_whether_it_fired_and_what_it_lacked(run: Run, write: Write) -> None:
    write("good.policy", GOOD)
    write("claims.json", {"x-ms-sgx-svn": 1})

    outcome = run("policy", "explain", "good.policy", "--claims", "claims.json")

    assert outcome.exit_code == 3
    assert outcome.out.splitlines() == [
        (
            "decision: no-permit - no rule permitted; the closest is line 5: "
            "it needs x-ms-sgx-svn >= 2, the evidence has 1"
        ),
        "the claims come from a file: nothing vouches for them",
        "",
        "authorizationrules",
        '  line 4     not fired [type=="x-ms-sgx-is-debuggable", value==true] => deny()',
        "             fails     x-ms-sgx-is-debuggable == true, the evidence has no such claim",
        '  line 5     not fired [type=="x-ms-sgx-svn", value>=2] => permit()',
        "             fails     x-ms-sgx-svn >= 2, the evidence has 1",
    ]


def test_a_rule_that_fired_says_which_claims_it_found(run: Run, write: Write) -> None:
    write("many.policy", BY_MANY)
    claims: dict[str, JsonValue] = {f"c{number}": number for number in range(6)}
    write(
        "claims.json",
        {
            "x-ms-sgx-svn": 1,
            "long": "x" * 200,
            "mine": {"value": 1, "issuer": "CustomClaim"},
            **claims,
        },
    )

    lines = run("policy", "explain", "many.policy", "--claims", "claims.json").out.splitlines()

    first = lines.index('  line 4     fired     [type!="none"] => permit()')
    indent = " " * 25
    assert lines[first + 1 :] == [
        '             holds     a claim with type != "none", there is one',
        f"{indent}x-ms-sgx-svn = 1",
        f'{indent}long = "{"x" * 99}…',
        f"{indent}mine = 1, by CustomClaim",
        f"{indent}c0 = 0",
        f"{indent}c1 = 1",
        f"{indent}and more",
        '  line 5     fired     c:[type=="x-ms-sgx-svn"] &&',
        '                       ![type=="role", issuer=="CustomClaim"]',
        "                       => deny()",
        "             holds     x-ms-sgx-svn, the evidence has 1",
        (
            '             holds     no claim with role, issuer == "CustomClaim", '
            "the evidence has no such claim"
        ),
    ]


def test_a_rule_that_found_few_claims_says_all_of_them(run: Run, write: Write) -> None:
    write("many.policy", BY_MANY)
    write("claims.json", {"a": 1, "b": 2})

    lines = run("policy", "explain", "many.policy", "--claims", "claims.json").out.splitlines()

    found = lines.index('             holds     a claim with type != "none", there is one')
    assert [line.strip() for line in lines[found + 1 : found + 4]] == [
        *("a = 1", "b = 2"),
        'line 5     not fired c:[type=="x-ms-sgx-svn"] &&',
    ]


def test_the_claims_of_a_token_are_explained_with_a_caution(run: Run, write: Write) -> None:
    write("good.policy", GOOD)
    claims: dict[str, JsonValue] = {
        "x-ms-attestation-type": "sgx",
        "x-ms-sgx-svn": 3,
        "x-ms-sgx-is-debuggable": False,
        "svn": 1,
    }
    write("token", token(claims))
    write("answer.json", {"token": token(claims)})

    text = run("policy", "explain", "good.policy", "--token", "token")
    report = run("policy", "explain", "good.policy", "--token", "answer.json", "--json").json

    assert text.exit_code == 0
    assert text.out.splitlines()[1].startswith("the token was not verified, and need not hold all")
    assert text.out.endswith("\nissued claims\n  version  3\n")
    assert list(report) == [
        *("explanation", "source", "attestation_type", "verified"),
        *("decision", "claims", "configuration", "properties", "error", "trace"),
    ]
    assert report["source"] == "token"
    assert report["attestation_type"] == "SgxEnclave"
    assert report["verified"] is False
    assert report["claims"] == {"version": 3}


def test_a_token_without_a_type_needs_one(run: Run, write: Write) -> None:
    write("good.policy", GOOD)
    write("token", token({"x-ms-sgx-svn": 3}))

    without = run("policy", "explain", "good.policy", "--token", "token")
    with_type = run("policy", "explain", "good.policy", "--token", "token", "--type", "SgxEnclave")

    assert without.exit_code == 2
    assert "x-ms-attestation-type: expected one of sgx, " in without.err
    assert with_type.exit_code == 0


def test_evidence_is_verified_before_a_policy_is_asked(
    run: Run, files: Files, write: Write
) -> None:
    policy = write("good.policy", GOOD)

    good = run("policy", "explain", policy, "--evidence", files.quote, *files.judged(), "--json")
    debug = run("policy", "explain", policy, "--evidence", files.debug_quote, *files.judged())

    assert good.exit_code == 0
    assert good.json["verified"] is True
    assert good.json["attestation_type"] == "SgxEnclave"
    assert good.json["claims"] == {"version": 3}
    assert debug.exit_code == 3
    assert debug.out.splitlines()[:2] == [
        "decision: deny - denied by the rule at line 4: x-ms-sgx-is-debuggable is true",
        "",
    ]


def test_data_beside_the_evidence_becomes_claims(run: Run, files: Files, write: Write) -> None:
    policy = write(
        "ehd.policy", 'version=1.0;authorizationrules{[type=="x-ms-sgx-ehd"] => permit();};'
    )
    arguments = ("policy", "explain", policy, "--evidence", files.quote, *files.judged())

    assert run(*arguments).exit_code == 3
    assert run(*arguments, "--runtime-data", files.runtime_data).exit_code == 0


def test_evidence_that_does_not_verify_is_not_explained(
    run: Run, files: Files, write: Write
) -> None:
    policy = write("good.policy", GOOD)
    forged = write("forged.bin", "")
    content = bytearray(files.quote.read_bytes())
    content[100] ^= 1
    forged.write_bytes(content)

    outcome = run("policy", "explain", policy, "--evidence", forged, *files.judged())

    assert outcome.exit_code == 4
    assert outcome.out == ""
    assert outcome.err.startswith("assay: forged.bin: no policy was asked: dcap.")


def test_evidence_without_collateral_is_no_conclusion(run: Run, files: Files, write: Write) -> None:
    outcome = run("policy", "explain", write("good.policy", GOOD), "--evidence", files.quote)

    assert outcome.exit_code == 5
    assert "appraisal.collateral.unavailable" in outcome.err


def test_a_type_may_be_asked_for_that_can_be_verified(run: Run, files: Files, write: Write) -> None:
    policy = write("good.policy", GOOD)
    arguments = ("policy", "explain", policy, *files.judged(), "--evidence")

    wrong = run(*arguments, files.quote, "--type", "OpenEnclave")
    right = run(*arguments, files.report, "--type", "OpenEnclave", "--json")
    unsupported = run(*arguments, files.quote, "--type", "Tpm")

    assert wrong.exit_code == 4
    assert right.json["attestation_type"] == "OpenEnclave"
    assert unsupported.exit_code == 2
    assert "expected one of SgxEnclave, OpenEnclave with --evidence, got Tpm" in unsupported.err


@pytest.mark.parametrize(
    ("options", "got"),
    [((), "got 0"), (("--claims", "claims.json", "--token", "token"), "got 2")],
)
def test_there_is_exactly_one_source_of_claims(
    run: Run, write: Write, options: tuple[str, ...], got: str
) -> None:
    write("good.policy", GOOD)

    outcome = run("policy", "explain", "good.policy", *options)

    assert outcome.exit_code == 2
    assert f"exactly one of --claims, --token and --evidence, {got}" in outcome.err


def test_a_text_that_is_no_policy_is_named(run: Run, write: Write) -> None:
    write("wrong.policy", WRONG)
    write("claims.json", {})

    outcome = run("policy", "explain", "wrong.policy", "--claims", "claims.json")

    assert outcome.exit_code == 2
    assert outcome.err.startswith("assay: wrong.policy is not a policy\nline 4, column 10: ")
