from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from msgspec import structs

from assay.appraisal import AppraisalRequest, Verdict
from assay.encoding import decode_base64url
from assay.endorsements.anchors import read_anchors
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import STANDARD, EvaluationSelection, GatheredCollateral
from assay.errors import (
    AssayError,
    MalformedEvidenceError,
    PolicyDeniedError,
    PolicyError,
    UntrustedEvidenceError,
)
from assay.evidence.format import AttestationType
from assay.server.simulated import SimulatedSource
from assay.service.attestation import (
    Attestation,
    AttestationService,
    PolicyRefusalError,
    refusal,
)
from assay.service.instance_options import PolicyExplanations
from assay.service.instances import Instance
from assay.token import read_unverified
from tests.conftest import AT
from tests.serving import make_instance, sgx_request, simulated_platform

_NUMBERED = (
    "version= 1.1;"
    'configurationrules{=> issueproperty(type="x-ms-sgx-tcbidentifier", value="19");};'
    "authorizationrules{=> permit();};"
)
_FAILING = (
    "version= 1.2;authorizationrules{=> permit();};issuancerules{"
    'c:[type=="x-ms-sgx-mrsigner"] => issue(type="x", value=JsonToClaimValue(c.value));};'
)


class _RecordingSource:
    def __init__(self) -> None:
        self.asked: list[tuple[DcapPlatform, str]] = []
        self._source = SimulatedSource(simulated_platform(), lambda: AT)

    async def gather(
        self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        self.asked.append((platform, evaluation.name))
        return await self._source.gather(platform, evaluation=evaluation)


def _service() -> tuple[AttestationService, _RecordingSource]:
    source = _RecordingSource()
    return AttestationService(source=source, now=lambda: AT), source


def _request() -> AppraisalRequest:
    body = sgx_request(None)
    return AppraisalRequest(
        evidence_type=AttestationType.SGX_ENCLAVE,
        evidence=decode_base64url(str(body["quote"]), "quote"),
    )


def _attest(
    service: AttestationService,
    *,
    instance: Instance | None = None,
    request: AppraisalRequest | None = None,
    draft_policy: str | None = None,
) -> Attestation:
    return asyncio.run(
        service.attest(
            instance or make_instance(), request or _request(), draft_policy=draft_policy
        )
    )


def test_collateral_is_gathered_for_the_platform_that_the_evidence_names() -> None:
    service, source = _service()

    _attest(service)

    assert source.asked == [(simulated_platform().dcap_platform, "standard")]


def test_a_policy_chooses_the_evaluation_data_set() -> None:
    service, source = _service()

    attestation = _attest(service, draft_policy=_NUMBERED)

    assert source.asked[0][1] == "19"
    assert attestation.result.tcb is not None
    assert attestation.result.tcb.evaluation_number == 19


def test_every_token_has_an_identifier_of_its_own() -> None:
    service, _ = _service()

    first, second = (read_unverified(_attest(service).token).claims for _ in range(2))

    assert first["jti"] != second["jti"]
    assert first["iat"] == first["nbf"] == int(AT.timestamp())


def test_evidence_can_be_verified_as_of_another_instant_and_the_token_says_so() -> None:
    service, _ = _service()
    later = AT + timedelta(days=400)
    service = replace(service, now=lambda: later, verify_at=AT)

    claims = read_unverified(_attest(service).token).claims

    assert claims["x-assay-verified-at"] == "2026-11-23T12:00:00Z"
    assert claims["iat"] == int(later.timestamp())


def test_a_token_from_a_simulated_root_says_so() -> None:
    claims = read_unverified(_attest(_service()[0]).token).claims

    assert claims["x-assay-simulated"] is True


def test_a_token_from_another_root_does_not_say_so() -> None:
    root = read_anchors([simulated_platform().pki.root_ca.der])

    claims = read_unverified(
        _attest(_service()[0], instance=make_instance(roots=root)).token
    ).claims

    assert "x-assay-simulated" not in claims
    assert "x-assay-verified-at" not in claims


def test_malformed_evidence_is_refused_before_anything_is_gathered() -> None:
    service, source = _service()

    with pytest.raises(MalformedEvidenceError) as caught:
        _attest(service, request=structs.replace(_request(), evidence=b"\x03\x00"))

    assert caught.value.findings
    assert source.asked == []


def test_an_untrusted_root_is_refused_by_name() -> None:
    service, source = _service()

    with pytest.raises(UntrustedEvidenceError) as caught:
        _attest(service, instance=make_instance(roots=()))

    assert caught.value.findings[0].check.startswith("dcap.pck_chain.")
    assert caught.value.message.startswith("check dcap.pck_chain.root_untrusted")
    # Anybody can make such a certificate, with another FMSPC each time.
    assert source.asked == []


@pytest.mark.parametrize(
    ("policy", "check"),
    [
        ("version= 1.0;authorizationrules{=> deny();};", "appraisal.policy.deny"),
        ("version= 1.0;authorizationrules{};", "appraisal.policy.no_permit"),
        (_FAILING, "appraisal.policy.error"),
    ],
)
def test_a_policy_that_does_not_permit_refuses(policy: str, check: str) -> None:
    with pytest.raises(PolicyDeniedError) as caught:
        _attest(_service()[0], draft_policy=policy)

    [finding] = caught.value.findings
    assert finding.check == check
    assert finding.actual == caught.value.message


def test_a_refusal_carries_the_rules_that_decided_and_how_much_may_be_told() -> None:
    policy = 'version= 1.0;authorizationrules{[type=="x-ms-sgx-svn", value>=99] => permit();};'
    instance = make_instance(policy_explanations=PolicyExplanations.MINIMAL)

    with pytest.raises(PolicyRefusalError) as caught:
        _attest(_service()[0], instance=instance, draft_policy=policy)

    error = caught.value
    assert (error.decision, error.explanations) == ("no-permit", PolicyExplanations.MINIMAL)
    assert error.message.startswith("no rule permitted; the closest is line 1: it needs")
    assert [record.rule.column for record in error.reasons] == [33]


def test_a_policy_that_fails_has_no_rules_that_decided() -> None:
    with pytest.raises(PolicyRefusalError) as caught:
        _attest(_service()[0], draft_policy=_FAILING)

    assert (caught.value.decision, caught.value.reasons) == ("error", ())
    assert caught.value.explanations is PolicyExplanations.FULL


def test_a_draft_policy_that_is_none_refuses() -> None:
    with pytest.raises(PolicyError):
        _attest(_service()[0], draft_policy="nonsense")


def test_a_result_that_permits_is_no_refusal() -> None:
    result = _attest(_service()[0]).result

    assert result.verdict is Verdict.PERMIT
    with pytest.raises(ValueError, match="permits"):
        refusal(result)


@pytest.mark.parametrize(
    ("count", "ending"), [(1, ""), (2, ", and b.c"), (3, ", and 2 more checks")]
)
def test_the_sentence_of_a_refusal_counts_its_findings(count: int, ending: str) -> None:
    with pytest.raises(UntrustedEvidenceError) as caught:
        _attest(_service()[0], instance=make_instance(roots=()))
    finding = replace(caught.value.findings[0], check="b.c", hint="")
    result = structs.replace(
        _attest(_service()[0]).result, verdict=Verdict.INVALID, findings=(finding,) * count
    )

    error: AssayError = refusal(result)

    assert error.message == f"check {finding}{ending}"


def test_requests_that_are_there_together_take_each_step_together() -> None:
    steps: list[str] = []
    recording, source = _service()
    instance = make_instance()

    def now() -> datetime:
        steps.append(f"verify after {len(source.asked)} were gathered")
        return AT

    service = replace(recording, now=now)

    async def attest() -> None:
        await service.attest(instance, _request())
        steps.append("token")

    async def both() -> None:
        await asyncio.gather(attest(), attest())

    asyncio.run(both())

    assert steps == ["verify after 2 were gathered"] * 2 + ["token"] * 2
