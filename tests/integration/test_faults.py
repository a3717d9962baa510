"""The simulator's table of defects against the verifier: refused, and for the stated reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.appraisal import (
    AppraisalContext,
    AppraisalRequest,
    AppraisalResult,
    AppraisalSettings,
    HeldData,
    HeldDataType,
    Verdict,
    appraise,
)
from assay.encoding import encode_json
from assay.endorsements.platform import PckCa
from assay.endorsements.tcb import TcbStatus
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.format import AttestationType
from assay.policy import compile_policy
from assay.simulator import SimulatedPlatform, openenclave
from assay.simulator.faults import FAULTS, Attempt, Fault
from assay.simulator.quote import FLAG_INITIALIZED, FLAG_KSS, FLAG_MODE64
from assay.simulator.settings import QuotingEnclave

PERMIT_ALL: Final = compile_policy("version= 1.0;authorizationrules{=> permit();};issuancerules{};")
EVERY_STATUS: Final = AppraisalSettings(accepted_tcb=frozenset(TcbStatus))


@pytest.fixture(scope="module")
def platform(at: datetime) -> SimulatedPlatform:
    return SimulatedPlatform.create(at)


def judge(attempt: Attempt, memory: DcapMemory | None = None) -> AppraisalResult:
    request = AppraisalRequest(
        evidence_type=attempt.evidence_type,
        evidence=attempt.evidence,
        runtime_data=attempt.runtime_data,
        init_time_data=attempt.init_time_data,
    )
    context = AppraisalContext(
        collateral=attempt.collateral,
        policy=PERMIT_ALL,
        at=attempt.at,
        roots=attempt.roots,
        settings=EVERY_STATUS,
        memory=memory or DcapMemory(attempt.roots),
    )
    return appraise(request, context)


def sound(
    platform: SimulatedPlatform,
    evidence: bytes | None = None,
    **changes: Any,  # noqa: ANN401
) -> Attempt:
    at = platform.settings.created_at
    attempt = Attempt(
        evidence=platform.quote() if evidence is None else evidence,
        collateral=platform.collateral(at),
        at=at,
        roots=platform.anchors,
    )
    return replace(attempt, **changes)


def checks(result: AppraisalResult) -> set[str]:
    return {finding.check for finding in result.findings}


def documents_of(fault: Fault) -> str:
    """What a finding is about: `dcap.tcb_info_chain`."""
    return fault.check.rpartition(".")[0]


# A certificate that several chains share fails each of them; so does an untrusted root.
SHARED: Final = frozenset(
    {
        "no-roots",
        "foreign-platform",
        "crls-swapped",
        "pck-ca-other-name",
        "pck-ca-no-ca",
        "pck-ca-no-cert-sign",
        "pck-ca-unknown-critical-extension",
        "pck-ca-signed-sha384",
        "pck-ca-signed-by-stranger",
        "pck-ca-expired",
        "pck-ca-future",
        "root-expired",
        "root-future",
        "tcb-info-chain-revoked",
        "qe-identity-chain-revoked",
    }
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_is_refused_for_its_reason_and_no_other(
    fault: Fault, platform: SimulatedPlatform
) -> None:
    result = judge(fault.apply(platform))

    assert result.verdict in {Verdict.INVALID, Verdict.ERROR}
    assert fault.check in checks(result)
    assert checks(result) == {fault.check} or fault.name in SHARED
    assert not result.token_claims


def test_what_is_remembered_of_sound_evidence_hides_no_fault(platform: SimulatedPlatform) -> None:
    memory = DcapMemory(platform.anchors)
    accepted: list[str] = []

    for fault in FAULTS:
        assert judge(sound(platform), memory).verdict is Verdict.PERMIT
        attempt = fault.apply(platform)
        if attempt.roots == memory.roots and fault.check not in checks(judge(attempt, memory)):
            accepted.append(fault.name)

    assert accepted == []


CERTIFICATES_OFFSET: Final = 432 + 4 + 64 + 64 + 384 + 64 + 2 + 32 + 2 + 4


@pytest.mark.property
@given(position=st.integers(0, CERTIFICATES_OFFSET - 1), bit=st.integers(0, 7))
def test_no_bit_of_a_quote_can_be_changed(
    platform: SimulatedPlatform, position: int, bit: int
) -> None:
    """BI-13. What follows is PEM, in which white space carries no meaning."""
    changed = bytearray(platform.quote())
    changed[position] ^= 1 << bit

    result = judge(sound(platform, bytes(changed)))

    assert result.verdict is Verdict.INVALID


@pytest.mark.property
@pytest.mark.parametrize(
    "document",
    [
        "tcb_info",
        "tcb_info_signature",
        "qe_identity",
        "qe_identity_signature",
        "root_ca_crl",
        "pck_crl",
    ],
)
@given(fraction=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_bit_of_collateral_can_be_changed(
    platform: SimulatedPlatform, document: str, fraction: float, bit: int
) -> None:
    """CH-03, CH-05, CH-06."""
    collateral = platform.collateral(platform.settings.created_at)
    text = bytearray(getattr(collateral, document))
    text[int(fraction * len(text))] ^= 1 << bit
    changes: dict[str, Any] = {document: bytes(text)}

    result = judge(sound(platform, collateral=replace(collateral, **changes)))

    assert result.verdict is Verdict.INVALID


@pytest.mark.property
@given(data=st.data())
def test_no_prefix_of_a_quote_is_a_quote(platform: SimulatedPlatform, data: st.DataObject) -> None:
    quote = platform.quote()
    size = data.draw(st.integers(0, len(quote) - 1))

    assert judge(sound(platform, quote[:size])).verdict is Verdict.INVALID


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("ca", list(PckCa))
@pytest.mark.parametrize("tcb_info_version", [2, 3])
def test_a_sound_quote_of_every_kind_is_permitted(
    at: datetime, version: int, ca: PckCa, tcb_info_version: int
) -> None:
    platform = SimulatedPlatform.create(at, ca=ca, tcb_info_version=tcb_info_version)

    result = judge(sound(platform, platform.quote(version=version)))

    assert result.verdict is Verdict.PERMIT
    assert result.tcb is not None
    assert result.tcb.status is TcbStatus.UP_TO_DATE
    assert result.simulated


OUT_OF_DATE: Final = TcbStatus.OUT_OF_DATE
CONFIGURATION: Final = TcbStatus.CONFIGURATION_NEEDED
OUT_OF_DATE_CONFIGURATION: Final = TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED


@pytest.mark.parametrize(
    ("platform_status", "outdated"),
    [
        (TcbStatus.UP_TO_DATE, OUT_OF_DATE),
        (TcbStatus.SW_HARDENING_NEEDED, OUT_OF_DATE),
        (CONFIGURATION, OUT_OF_DATE_CONFIGURATION),
        (TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED, OUT_OF_DATE_CONFIGURATION),
        (OUT_OF_DATE, OUT_OF_DATE),
        (OUT_OF_DATE_CONFIGURATION, OUT_OF_DATE_CONFIGURATION),
    ],
)
def test_platform_and_quoting_enclave_converge_as_intel_has_it(
    platform: SimulatedPlatform, platform_status: TcbStatus, outdated: TcbStatus
) -> None:
    current = judge(sound(platform.with_status(platform_status)))
    old_qe = judge(sound(platform.with_status(platform_status, OUT_OF_DATE)))
    unconfigured_qe = judge(sound(platform.with_status(platform_status, CONFIGURATION)))
    revoked_qe = judge(sound(platform.with_status(platform_status, TcbStatus.REVOKED)))

    assert current.tcb is not None
    assert current.tcb.status is platform_status
    assert old_qe.tcb is not None
    assert old_qe.tcb.status is outdated
    assert unconfigured_qe.tcb is not None
    assert unconfigured_qe.tcb.status is platform_status
    assert checks(revoked_qe) == {"dcap.tcb.tcb_revoked"}


def test_a_revoked_platform_stays_revoked_whatever_its_quoting_enclave(
    platform: SimulatedPlatform,
) -> None:
    for qe_status in TcbStatus:
        result = judge(sound(platform.with_status(TcbStatus.REVOKED, qe_status)))

        assert checks(result) == {"dcap.tcb.tcb_revoked"}


def test_levels_are_judged_whatever_their_order(platform: SimulatedPlatform) -> None:
    shuffled = platform.with_settings(
        levels=platform.settings.levels[::-1], qe_levels=platform.settings.qe_levels[::-1]
    )

    result = judge(sound(shuffled))

    assert result.tcb is not None
    assert result.tcb.status is TcbStatus.UP_TO_DATE


def test_a_platform_above_the_best_level_is_up_to_date(platform: SimulatedPlatform) -> None:
    components = tuple(min(svn + 1, 255) for svn in platform.settings.components)

    result = judge(sound(platform.with_settings(components=components, pcesvn=14)))

    assert result.tcb is not None
    assert result.tcb.status is TcbStatus.UP_TO_DATE
    assert not result.tcb.shortfalls


def test_a_component_svn_beyond_127_is_a_number_like_any_other(at: datetime) -> None:
    platform = SimulatedPlatform.create(at, components=(200, *[0] * 15))

    result = judge(sound(platform))

    assert result.tcb is not None
    assert result.tcb.status is TcbStatus.UP_TO_DATE


@pytest.mark.parametrize("size", [0, 1, 32, 100])
def test_the_quoting_enclave_s_authentication_data_may_have_any_length(
    at: datetime, size: int
) -> None:
    platform = SimulatedPlatform.create(at, quoting_enclave=QuotingEnclave(auth_data=b"a" * size))

    assert judge(sound(platform)).verdict is Verdict.PERMIT


@pytest.mark.parametrize(
    "pad",
    [
        pytest.param(lambda quote: quote + bytes(3000), id="zeros after the quote"),
        pytest.param(lambda quote: quote, id="nothing"),
    ],
)
def test_zero_padding_after_a_quote_is_accepted(
    platform: SimulatedPlatform, pad: Callable[[bytes], bytes]
) -> None:
    assert judge(sound(platform, pad(platform.quote()))).verdict is Verdict.PERMIT


def test_a_certificate_chain_may_end_in_nul(platform: SimulatedPlatform) -> None:
    draft = platform.draft()
    terminated = replace(draft, certification_data=draft.certification_data + b"\0")

    assert judge(sound(platform, terminated.sign().encode())).verdict is Verdict.PERMIT


def test_lower_case_hexadecimal_in_the_tcb_info_is_the_same_platform(
    platform: SimulatedPlatform, at: datetime
) -> None:
    text = encode_json(platform.tcb_info(at) | {"fmspc": platform.settings.fmspc.hex()})
    collateral = replace(
        platform.collateral(at), tcb_info=text, tcb_info_signature=platform.sign_document(text)
    )

    assert judge(sound(platform, collateral=collateral)).verdict is Verdict.PERMIT


def test_a_member_that_intel_adds_later_does_not_break_the_tcb_info(
    platform: SimulatedPlatform, at: datetime
) -> None:
    text = encode_json(platform.tcb_info(at) | {"novelty": {"a": [1]}})
    collateral = replace(
        platform.collateral(at), tcb_info=text, tcb_info_signature=platform.sign_document(text)
    )

    assert judge(sound(platform, collateral=collateral)).verdict is Verdict.PERMIT


@pytest.mark.parametrize("revoked", [(), (1, 2, 3)])
def test_other_revoked_certificates_do_no_harm(
    platform: SimulatedPlatform, revoked: tuple[int, ...]
) -> None:
    other = platform.with_settings(pck_crl_revoked=revoked, root_crl_revoked=revoked)

    assert judge(sound(other)).verdict is Verdict.PERMIT


def test_both_bounds_of_a_period_are_inside_it(platform: SimulatedPlatform) -> None:
    first = platform.settings.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
    collateral = platform.collateral(first)
    last = first + timedelta(days=30)

    assert judge(sound(platform, collateral=collateral, at=first)).verdict is Verdict.PERMIT
    assert judge(sound(platform, collateral=collateral, at=last)).verdict is Verdict.PERMIT


@pytest.mark.parametrize("offset", [timedelta(seconds=-1), timedelta(days=30, seconds=1)])
def test_one_second_outside_of_every_document_s_period_is_an_error_not_a_verdict(
    platform: SimulatedPlatform, offset: timedelta
) -> None:
    """TC-07."""
    first = platform.settings.created_at.replace(hour=0, minute=0, second=0, microsecond=0)

    result = judge(sound(platform, collateral=platform.collateral(first), at=first + offset))

    assert result.verdict is Verdict.ERROR
    assert checks(result) >= {
        f"dcap.tcb_info.{'collateral_expired' if offset.days > 0 else 'collateral_not_yet_valid'}"
    }


@pytest.mark.parametrize("days", [3 * 365, -3 * 365])
def test_evidence_is_judged_as_of_the_given_time_and_not_of_today(at: datetime, days: int) -> None:
    """TC-08."""
    then = at + timedelta(days=days)
    platform = SimulatedPlatform.create(then)

    assert judge(sound(platform, at=then)).verdict is Verdict.PERMIT
    assert judge(sound(platform, at=then + timedelta(days=31))).verdict is Verdict.ERROR


@pytest.mark.parametrize("debug", [False, True])
def test_a_debuggable_enclave_verifies_and_says_so(
    platform: SimulatedPlatform,
    debug: bool,  # noqa: FBT001
) -> None:
    result = judge(sound(platform, platform.quote(debug=debug)))

    assert result.verdict is Verdict.PERMIT
    assert result.token_claims["x-ms-sgx-is-debuggable"] is debug


@pytest.mark.parametrize("custom_claims", [b"", b"claims"])
def test_open_enclave_evidence_binds_its_custom_claims(
    platform: SimulatedPlatform, custom_claims: bytes
) -> None:
    evidence = openenclave.evidence(platform, custom_claims)

    result = judge(sound(platform, evidence, evidence_type=AttestationType.OPEN_ENCLAVE))

    assert result.verdict is Verdict.PERMIT


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(openenclave.legacy_report, id="legacy report"),
        pytest.param(
            lambda quote: openenclave.with_header(quote, format_id=openenclave.RAW_SGX_QUOTE_ECDSA),
            id="raw quote",
        ),
        pytest.param(
            lambda quote: openenclave.with_header(
                openenclave.legacy_report(quote), format_id=openenclave.LEGACY_REPORT_REMOTE
            ),
            id="report in a header",
        ),
    ],
)
def test_open_enclave_s_other_envelopes_verify(
    platform: SimulatedPlatform, wrap: Callable[[bytes], bytes]
) -> None:
    evidence = wrap(platform.quote())

    result = judge(sound(platform, evidence, evidence_type=AttestationType.OPEN_ENCLAVE))

    assert result.verdict is Verdict.PERMIT


@pytest.mark.parametrize("kind", list(HeldDataType))
def test_bound_data_beside_evidence_becomes_claims(
    platform: SimulatedPlatform, kind: HeldDataType
) -> None:
    data = b'{"key":"value"}'
    bound = hashlib.sha256(data).digest()
    quote = platform.quote(
        report_data=bound,
        config_id=bound.ljust(64, b"\0"),
        flags=FLAG_INITIALIZED | FLAG_MODE64 | FLAG_KSS,
    )
    held = HeldData(data, kind)

    result = judge(sound(platform, quote, runtime_data=held, init_time_data=held))

    assert result.verdict is Verdict.PERMIT


def test_names_in_the_table_are_unique() -> None:
    names = [fault.name for fault in FAULTS]

    assert len(names) == len(set(names))
    assert {name for name in SHARED if name not in names} == set()


def test_every_fault_is_described_without_its_check() -> None:
    for fault in FAULTS:
        assert fault.description
        assert not fault.description.endswith(".")
        assert documents_of(fault).startswith(("dcap.", "openenclave.", "appraisal."))


def test_every_class_of_finding_has_a_fault() -> None:
    found = {fault.check for fault in FAULTS}

    for chain in ("pck_chain", "pck_crl_chain", "tcb_info_chain", "qe_identity_chain"):
        assert found >= {
            f"dcap.{chain}.{name}"
            for name in (
                "cert_format",
                "chain",
                "root_untrusted",
                "cert_expired",
                "cert_not_yet_valid",
                "revoked",
            )
        }
    for crl in ("root_ca_crl", "pck_crl"):
        assert found >= {
            f"dcap.{crl}.crl_{name}"
            for name in ("format", "issuer", "signature", "expired", "not_yet_valid")
        }
    for document in ("tcb_info", "qe_identity"):
        assert found >= {
            f"dcap.{document}.{name}"
            for name in (
                "collateral_signature",
                "collateral_format",
                "collateral_expired",
                "collateral_not_yet_valid",
                "collateral_mismatch",
                "tcb_unrecognized",
            )
        }
