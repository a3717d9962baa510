from __future__ import annotations

import dataclasses
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from assay.appraisal import (
    AppraisalContext,
    AppraisalRequest,
    AppraisalResult,
    AppraisalSettings,
    Compatibility,
    HeldData,
    HeldDataType,
    Verdict,
    appraise,
    baseline,
)
from assay.encoding import JsonValue
from assay.endorsements.tcb import TcbStatus
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.format import AttestationType
from assay.policy import compile_policy
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import evidence as open_enclave_evidence
from tests.conftest import AT

PERMIT = "version=1.0; authorizationrules{=> permit();}; issuancerules{};"


def _context(
    platform: SimulatedPlatform,
    policy: str = PERMIT,
    **settings: Any,  # noqa: ANN401  any field of AppraisalSettings
) -> AppraisalContext:
    return AppraisalContext(
        collateral=platform.collateral(AT),
        policy=compile_policy(policy),
        at=AT,
        roots=platform.anchors,
        settings=AppraisalSettings(**settings),
        memory=DcapMemory(platform.anchors),
    )


def _request(
    evidence: bytes,
    **fields: Any,  # noqa: ANN401  any field of AppraisalRequest
) -> AppraisalRequest:
    return AppraisalRequest(evidence_type=AttestationType.SGX_ENCLAVE, evidence=evidence, **fields)


def _issue(*rules: str, version: str = "1.0") -> str:
    return (
        f"version={version}; authorizationrules{{=> permit();}}; issuancerules{{{''.join(rules)}}};"
    )


def _checks(result: AppraisalResult) -> list[str]:
    return [finding.check for finding in result.findings]


def _steps(result: AppraisalResult, *, passed: bool | None) -> list[str]:
    return [outcome.check.step for outcome in result.checks if outcome.passed is passed]


def test_genuine_evidence_is_permitted_and_every_check_passed(
    platform: SimulatedPlatform,
) -> None:
    result = appraise(_request(platform.quote()), _context(platform))

    assert result.verdict is Verdict.PERMIT
    assert result.findings == ()
    assert _steps(result, passed=True) == ["1", "2", "3", "4", "5", "6", "7", "8", "10"]
    assert result.policy.decision == "permit"
    assert result.policy.rule == "line 1: => permit()"
    assert result.policy.explanation
    assert result.tcb is not None
    assert result.tcb.status is TcbStatus.UP_TO_DATE
    assert result.simulated
    assert result.earliest_expiration is not None


def test_open_enclave_evidence_is_permitted_with_its_own_checks(
    platform: SimulatedPlatform,
) -> None:
    request = AppraisalRequest(
        evidence_type=AttestationType.OPEN_ENCLAVE,
        evidence=open_enclave_evidence(platform, b"claims"),
    )

    result = appraise(request, _context(platform))

    assert result.verdict is Verdict.PERMIT
    assert _steps(result, passed=True) == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]


def test_the_same_inputs_give_the_same_result(platform: SimulatedPlatform) -> None:
    request, context = _request(platform.quote()), _context(platform)

    first = appraise(request, context)
    again = appraise(request, context)
    cold = appraise(request, structs.replace(context, memory=DcapMemory(platform.anchors)))

    for other in (again, cold):
        assert other.token_claims == first.token_claims
        assert other.incoming == first.incoming
        assert other.checks == first.checks


def test_malformed_evidence_is_invalid_and_nothing_behind_it_is_judged(
    platform: SimulatedPlatform,
) -> None:
    result = appraise(_request(b"no quote"), _context(platform))

    assert result.verdict is Verdict.INVALID
    assert _checks(result) == ["dcap.quote.quote_format"]
    assert _steps(result, passed=False) == ["1"]
    assert _steps(result, passed=True) == []
    assert result.policy.decision is None
    assert result.policy.rule is None
    assert result.policy.explanation == ""
    assert result.policy.hash
    assert result.token_claims == {}


def test_a_failed_chain_leaves_what_needs_it_unjudged(platform: SimulatedPlatform) -> None:
    stranger = SimulatedPlatform.create(AT)

    result = appraise(_request(stranger.quote()), _context(platform))

    assert result.verdict is Verdict.INVALID
    assert _checks(result) == ["dcap.pck_chain.root_untrusted"]
    assert _steps(result, passed=False) == ["2"]
    assert _steps(result, passed=None) == ["5", "6", "8"]
    assert _steps(result, passed=True) == ["1", "3", "4", "7", "10"]


def test_expired_collateral_is_no_verdict_on_the_evidence(platform: SimulatedPlatform) -> None:
    context = structs.replace(_context(platform), at=AT + timedelta(days=60))

    result = appraise(_request(platform.quote()), context)

    assert result.verdict is Verdict.ERROR
    assert "dcap.tcb_info.collateral_expired" in _checks(result)


def test_expired_collateral_within_its_grace_is_named_in_the_token(
    platform: SimulatedPlatform,
) -> None:
    context = structs.replace(
        _context(platform, expired_collateral_grace=timedelta(days=60)),
        at=AT + timedelta(days=60),
    )

    result = appraise(_request(platform.quote()), context)

    assert result.verdict is Verdict.PERMIT
    assert result.stale
    assert result.token_claims["x-assay-expired-collateral"] == list(result.stale)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (TcbStatus.UP_TO_DATE, Verdict.PERMIT),
        (TcbStatus.SW_HARDENING_NEEDED, Verdict.PERMIT),
        (TcbStatus.CONFIGURATION_NEEDED, Verdict.PERMIT),
        (TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED, Verdict.PERMIT),
        (TcbStatus.OUT_OF_DATE, Verdict.INVALID),
        (TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED, Verdict.INVALID),
        (TcbStatus.REVOKED, Verdict.INVALID),
    ],
)
def test_a_tcb_below_the_baseline_is_refused_unless_set_otherwise(
    platform: SimulatedPlatform, status: TcbStatus, verdict: Verdict
) -> None:
    rated = platform.with_status(status)

    assert appraise(_request(rated.quote()), _context(rated)).verdict is verdict


def test_the_refusal_of_a_tcb_names_what_is_short_and_by_how_much(
    platform: SimulatedPlatform,
) -> None:
    rated = platform.with_status(TcbStatus.OUT_OF_DATE)

    result = appraise(_request(rated.quote()), _context(rated))

    assert _checks(result) == ["dcap.tcb.tcb_not_accepted"]
    assert result.tcb is not None
    assert result.tcb.shortfalls
    for shortfall in result.tcb.shortfalls:
        assert shortfall.actual < shortfall.needed
        assert str(shortfall) in result.findings[0].actual
    assert _steps(result, passed=False) == ["8"]


def test_an_accepted_outdated_tcb_is_left_to_the_policy(platform: SimulatedPlatform) -> None:
    rated = platform.with_status(TcbStatus.OUT_OF_DATE)
    policy = """version=1.0; authorizationrules{
        [type=="x-assay-tcb-status", value=="OutOfDate"] => deny();
        => permit();
    };"""
    accept_all = frozenset(TcbStatus)

    permitted = appraise(_request(rated.quote()), _context(rated, accepted_tcb=accept_all))
    denied = appraise(_request(rated.quote()), _context(rated, policy, accepted_tcb=accept_all))

    assert permitted.verdict is Verdict.PERMIT
    assert denied.verdict is Verdict.DENY
    assert denied.policy.decision == "deny"
    assert denied.policy.rule is not None
    assert "line 2" in denied.policy.rule
    assert "OutOfDate" in denied.policy.explanation
    assert denied.token_claims == {}
    assert denied.issued == {}


def test_a_policy_that_permits_nothing_denies(platform: SimulatedPlatform) -> None:
    result = appraise(
        _request(platform.quote()), _context(platform, "version=1.0; authorizationrules{};")
    )

    assert result.verdict is Verdict.DENY
    assert result.policy.decision == "no-permit"
    assert result.policy.rule is None


def test_a_policy_that_fails_while_it_runs_denies(platform: SimulatedPlatform) -> None:
    policy = _issue(
        'c:[type=="x-ms-sgx-svn"] => issue(type="a", value=AppendString(c.value, "x"));',
        version="1.2",
    )

    result = appraise(_request(platform.quote()), _context(platform, policy))

    assert result.verdict is Verdict.DENY
    assert result.policy.decision == "error"
    assert result.policy.rule is None
    assert result.policy.explanation
    assert result.token_claims == {}


def test_a_policy_whose_settings_do_not_fit_denies(platform: SimulatedPlatform) -> None:
    result = appraise(_request(platform.quote()), _context(platform, _with_baseline("newest")))

    assert result.verdict is Verdict.DENY
    assert result.policy.decision == "error"
    assert result.policy.explanation.startswith("the policy failed at line ")
    assert "x-ms-sgx-tcbidentifier" in result.policy.explanation


def test_bound_runtime_data_becomes_claims_for_token_and_policy(
    platform: SimulatedPlatform,
) -> None:
    data = b"held data"
    quote = platform.quote(report_data=hashlib.sha256(data).digest())
    policy = """version=1.0; authorizationrules{
        [type=="x-ms-sgx-ehd", value=="aGVsZCBkYXRh"] => permit();
    };"""
    request = _request(quote, runtime_data=HeldData(data, HeldDataType.BINARY))

    result = appraise(request, _context(platform, policy))

    assert result.verdict is Verdict.PERMIT
    assert result.token_claims["x-ms-sgx-ehd"] == "aGVsZCBkYXRh"
    assert result.token_claims["aas-ehd"] == result.token_claims["maa-ehd"] == "aGVsZCBkYXRh"


def test_unbound_data_is_refused_together_with_what_else_fails(
    platform: SimulatedPlatform,
) -> None:
    quote = bytearray(platform.quote())
    quote[48] ^= 1
    held = HeldData(b"other", HeldDataType.BINARY)

    only_data = appraise(
        _request(platform.quote(), runtime_data=held, init_time_data=held), _context(platform)
    )
    both = appraise(_request(bytes(quote), runtime_data=held), _context(platform))
    late = appraise(
        _request(platform.quote(), runtime_data=held),
        structs.replace(_context(platform), at=AT + timedelta(days=60)),
    )

    assert _checks(only_data) == [
        "appraisal.runtime_data.binding",
        "appraisal.init_time_data.binding",
    ]
    assert _steps(only_data, passed=False) == ["10"]
    assert _checks(both) == ["dcap.quote.quote_signature", "appraisal.runtime_data.binding"]
    assert late.verdict is Verdict.INVALID


def test_current_tokens_hold_issued_claims_twice_and_the_baseline(
    platform: SimulatedPlatform,
) -> None:
    policy = _issue('=> issue(type="name", value="value");')

    current = appraise(_request(platform.quote()), _context(platform, policy))
    former = appraise(
        _request(platform.quote()),
        _context(platform, policy, compatibility=Compatibility.Y2021),
    )

    assert current.token_claims["name"] == former.token_claims["name"] == "value"
    assert current.token_claims["x-ms-policy"] == {"name": "value"}
    assert current.token_claims["x-ms-sgx-tcbidentifier"] == "azuredefault"
    assert "x-ms-policy" not in former.token_claims
    assert "x-ms-sgx-tcbidentifier" not in former.token_claims
    assert current.issued == {"name": "value"}


def test_a_policy_that_issues_nothing_leaves_no_empty_object(
    platform: SimulatedPlatform,
) -> None:
    assert (
        "x-ms-policy" not in appraise(_request(platform.quote()), _context(platform)).token_claims
    )


@pytest.mark.parametrize(
    "name",
    ["iss", "exp", "jti", "nonce", "x-ms-runtime", "x-ms-sgx-mrenclave", "x-ms-policy-hash"],
)
def test_a_policy_cannot_shadow_the_services_claims(platform: SimulatedPlatform, name: str) -> None:
    policy = _issue(f'=> issue(type="{name}", value="forged");')

    result = appraise(_request(platform.quote()), _context(platform, policy))

    assert result.token_claims.get(name) != "forged"
    assert result.token_claims["x-ms-policy"] == {name: "forged"}


def test_tcb_claims_stand_in_the_token_where_the_instance_wants_them(
    platform: SimulatedPlatform,
) -> None:
    plain = appraise(_request(platform.quote()), _context(platform))
    wanted = appraise(_request(platform.quote()), _context(platform, tcb_claims_in_token=True))

    assert not [name for name in plain.token_claims if name.startswith("x-assay-tcb")]
    assert wanted.tcb is not None
    assert wanted.token_claims["x-assay-tcb-status"] == "UpToDate"
    assert wanted.token_claims["x-assay-tcb-date"] == wanted.tcb.tcb_date_text
    assert wanted.token_claims["x-assay-evaluation-number"] == wanted.tcb.evaluation_number
    assert wanted.token_claims["x-assay-advisory-ids"] == list(wanted.tcb.advisory_ids)


def test_nonce_signer_hash_version_and_simulation_are_told(platform: SimulatedPlatform) -> None:
    signer: JsonValue = {"alg": "RS256", "kty": "RSA", "use": "sig", "x5c": ["AA=="]}
    context = structs.replace(_context(platform), policy_signer=signer)

    claims = appraise(_request(platform.quote(), nonce="17"), context).token_claims

    assert claims["nonce"] == "17"
    assert claims["x-ms-policy-signer"] == signer
    assert claims["x-ms-policy-hash"] == "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU"
    assert claims["x-ms-ver"] == "1.0"
    assert claims["x-assay-simulated"] is True


def test_roots_that_are_not_simulated_leave_no_mark(platform: SimulatedPlatform) -> None:
    roots = tuple(dataclasses.replace(root, simulated=False) for root in platform.anchors)
    context = structs.replace(_context(platform), roots=roots, memory=DcapMemory(roots))

    assert "x-assay-simulated" not in appraise(_request(platform.quote()), context).token_claims


def _with_baseline(number: str) -> str:
    return (
        'version=1.1; configurationrules{=> issueproperty(type="x-ms-sgx-tcbidentifier", '
        f'value="{number}");}}; authorizationrules{{=> permit();}};'
    )


def test_baseline_is_azures_default_or_the_policys_number() -> None:
    assert baseline(compile_policy(PERMIT)) == "azuredefault"
    assert baseline(compile_policy(_with_baseline("12"))) == "12"


def test_a_policy_may_ask_for_an_evaluation_number_up_to_the_collaterals(
    platform: SimulatedPlatform,
) -> None:
    tcb = appraise(_request(platform.quote()), _context(platform)).tcb
    assert tcb is not None
    number = tcb.evaluation_number

    at_number = appraise(
        _request(platform.quote()), _context(platform, _with_baseline(str(number)))
    )
    above = appraise(
        _request(platform.quote()), _context(platform, _with_baseline(str(number + 1)))
    )

    assert at_number.verdict is Verdict.PERMIT
    assert at_number.token_claims["x-ms-sgx-tcbidentifier"] == str(number)
    assert above.verdict is Verdict.ERROR
    assert _checks(above) == ["dcap.tcb_info.collateral_mismatch"]
    assert above.tcb is not None
