from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import pytest
from msgspec import structs

from assay.endorsements.anchors import intel_sgx_anchors
from assay.errors import AssayError, CollateralUnavailableError, UntrustedEvidenceError
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.sgx import (
    VerifiedSgxQuote,
    certified_quote_platform,
    parse_quote,
    quote_platform,
    verify_quote,
)
from assay.simulator import SimulatedPlatform
from tests.conftest import AT


def _context(platform: SimulatedPlatform, at: datetime = AT) -> DcapVerification:
    return DcapVerification(
        collateral=platform.collateral(AT),
        at=at,
        roots=platform.anchors,
        memory=DcapMemory(platform.anchors),
    )


def _verify(quote: bytes, context: DcapVerification) -> VerifiedSgxQuote:
    return verify_quote(parse_quote(quote), context)


def _checks(quote: bytes, context: DcapVerification) -> list[str]:
    with pytest.raises(AssayError) as caught:
        _verify(quote, context)
    return [finding.check for finding in caught.value.findings]


def test_a_genuine_quote_is_verified_under_its_root(platform: SimulatedPlatform) -> None:
    verified = _verify(platform.quote(), _context(platform))

    assert verified.anchor == platform.anchors[0].fingerprint
    assert verified.simulated
    assert verified.at == AT
    assert verified.stale == ()
    assert verified.earliest_expiration > AT
    assert verified.tcb.status == "UpToDate"


@pytest.mark.parametrize("version", [4, 5])
def test_versions_4_and_5_with_an_sgx_body_are_verified(
    platform: SimulatedPlatform, version: int
) -> None:
    verified = _verify(platform.quote(version=version), _context(platform))

    assert verified.evidence.header.version == version


def test_version_5_signs_its_body_descriptor(platform: SimulatedPlatform) -> None:
    parts = platform.draft(version=5).sign()
    without = dataclasses.replace(parts, descriptor=b"")

    quote = parse_quote(parts.encode())

    assert quote.signed != without.signed
    assert quote.signed == parts.signed


def test_quote_platform_selects_the_platforms_collateral(platform: SimulatedPlatform) -> None:
    assert quote_platform(parse_quote(platform.quote())) == platform.dcap_platform


def test_a_platform_is_certified_by_its_root(platform: SimulatedPlatform) -> None:
    memory = DcapMemory(platform.anchors)

    certified = certified_quote_platform(parse_quote(platform.quote()), memory)

    assert certified == platform.dcap_platform
    assert certified.anchor == platform.anchors[0]


def test_a_platform_under_another_root_is_not_certified(platform: SimulatedPlatform) -> None:
    memory = DcapMemory(intel_sgx_anchors())

    with pytest.raises(UntrustedEvidenceError) as caught:
        certified_quote_platform(parse_quote(platform.quote()), memory)

    assert [finding.check for finding in caught.value.findings] == ["dcap.pck_chain.root_untrusted"]


def test_without_collateral_nothing_is_verified(platform: SimulatedPlatform) -> None:
    context = structs.replace(_context(platform), collateral=None)

    with pytest.raises(CollateralUnavailableError, match="collateral for the platform"):
        _verify(platform.quote(), context)


def test_without_collateral_all_else_is_found(platform: SimulatedPlatform) -> None:
    quote = bytearray(platform.quote())
    quote[48 + 320] ^= 1
    context = structs.replace(_context(platform), collateral=None, roots=(), memory=DcapMemory(()))

    assert _checks(bytes(quote), context) == [
        "dcap.pck_chain.root_untrusted",
        "dcap.quote.quote_signature",
    ]


def test_a_quote_is_not_verified_under_other_roots(platform: SimulatedPlatform) -> None:
    roots = intel_sgx_anchors()
    context = structs.replace(_context(platform), roots=roots, memory=DcapMemory(roots))

    checks = _checks(platform.quote(), context)

    assert "dcap.pck_chain.root_untrusted" in checks
    assert "dcap.tcb_info_chain.root_untrusted" in checks


def test_no_roots_trust_nothing(platform: SimulatedPlatform) -> None:
    context = structs.replace(_context(platform), roots=(), memory=DcapMemory(()))

    assert "dcap.pck_chain.root_untrusted" in _checks(platform.quote(), context)


def test_the_memory_of_other_roots_is_refused_as_a_mistake(platform: SimulatedPlatform) -> None:
    context = structs.replace(_context(platform), memory=DcapMemory(intel_sgx_anchors()))

    with pytest.raises(ValueError, match="other roots"):
        _verify(platform.quote(), context)


def test_every_independent_failure_is_found(platform: SimulatedPlatform) -> None:
    quote = bytearray(platform.quote())
    quote[48 + 320] ^= 1
    context = _context(platform)
    collateral = dataclasses.replace(
        platform.collateral(AT), tcb_info_signature=bytes(64), qe_identity_signature=bytes(64)
    )

    checks = _checks(bytes(quote), structs.replace(context, collateral=collateral))

    assert set(checks) == {
        "dcap.tcb_info.collateral_signature",
        "dcap.qe_identity.collateral_signature",
        "dcap.quote.quote_signature",
    }


def test_expired_collateral_alone_is_the_collaterals_fault(platform: SimulatedPlatform) -> None:
    context = _context(platform, at=AT + timedelta(days=60))

    with pytest.raises(CollateralUnavailableError) as caught:
        _verify(platform.quote(), context)

    assert {finding.check for finding in caught.value.findings} == {
        "dcap.tcb_info.collateral_expired",
        "dcap.qe_identity.collateral_expired",
        "dcap.pck_crl.crl_expired",
    }


def test_expired_collateral_and_a_bad_quote_are_the_evidences_fault(
    platform: SimulatedPlatform,
) -> None:
    quote = bytearray(platform.quote())
    quote[48] ^= 1
    context = _context(platform, at=AT + timedelta(days=60))

    with pytest.raises(UntrustedEvidenceError) as caught:
        _verify(bytes(quote), context)

    checks = {finding.check for finding in caught.value.findings}
    assert "dcap.quote.quote_signature" in checks
    assert "dcap.tcb_info.collateral_expired" in checks


def test_grace_admits_expired_collateral_and_names_it(platform: SimulatedPlatform) -> None:
    context = structs.replace(
        _context(platform, at=AT + timedelta(days=60)),
        expired_collateral_grace=timedelta(days=60),
    )

    verified = _verify(platform.quote(), context)

    assert set(verified.stale) == {"TCB info", "QE identity", "PCK CRL"}


def test_grace_ends_to_the_second(platform: SimulatedPlatform) -> None:
    expires = _verify(platform.quote(), _context(platform)).earliest_expiration
    grace = timedelta(hours=1)

    last = structs.replace(_context(platform, at=expires + grace), expired_collateral_grace=grace)
    after = structs.replace(last, at=expires + grace + timedelta(seconds=1))

    assert _verify(platform.quote(), last).stale
    assert _checks(platform.quote(), after)


def test_a_warm_memory_verifies_the_quote_itself_each_time(platform: SimulatedPlatform) -> None:
    context = _context(platform)
    good = platform.quote()
    forged = bytearray(good)
    forged[48 + 64] ^= 1

    _verify(good, context)

    assert len(context.memory.platforms) == 1
    assert _checks(bytes(forged), context) == ["dcap.quote.quote_signature"]
    assert _verify(good, context).evidence.body == parse_quote(good).body


def test_a_warm_memory_compares_times_each_time(platform: SimulatedPlatform) -> None:
    context = _context(platform)
    quote = platform.quote()
    _verify(quote, context)

    later = structs.replace(context, at=AT + timedelta(days=60))

    assert "dcap.tcb_info.collateral_expired" in _checks(quote, later)


def test_a_warm_memory_starts_afresh_with_other_collateral(platform: SimulatedPlatform) -> None:
    context = _context(platform)
    quote = platform.quote()
    _verify(quote, context)
    revoking = platform.with_settings(pck_crl_revoked=(platform.pck.certificate.serial_number,))

    changed = structs.replace(
        context,
        collateral=dataclasses.replace(platform.collateral(AT), pck_crl=revoking.pck_crl(AT)),
    )

    assert _checks(quote, changed) == ["dcap.pck_chain.revoked"]


def test_failures_are_not_remembered(platform: SimulatedPlatform) -> None:
    context = _context(platform)
    quote = bytearray(platform.quote())
    quote[48 + 384 + 4 + 128 + 64] ^= 1

    _checks(bytes(quote), context)

    assert len(context.memory.platforms) == 0
    _verify(platform.quote(), context)
    assert len(context.memory.platforms) == 1


def test_a_quote_without_a_pck_chain_is_refused_by_name(platform: SimulatedPlatform) -> None:
    draft = dataclasses.replace(
        platform.draft(), certification_type=3, certification_data=bytes(404)
    )

    assert _checks(draft.sign().encode(), _context(platform)) == ["dcap.quote.unsupported"]


def test_an_attestation_key_off_the_curve_is_refused(platform: SimulatedPlatform) -> None:
    parts = dataclasses.replace(platform.draft().sign(), attestation_key=bytes(64))

    checks = _checks(parts.encode(), _context(platform))

    assert set(checks) == {"dcap.qe_report.qe_report_data", "dcap.quote.quote_signature"}


@pytest.mark.parametrize("size", [0, 1, 31, 33, 1000])
def test_qe_authentication_data_of_any_size_is_bound(size: int) -> None:
    enclave = SimulatedPlatform.create(AT).settings.quoting_enclave
    platform = SimulatedPlatform.create(
        AT, quoting_enclave=dataclasses.replace(enclave, auth_data=bytes(size))
    )

    assert _verify(platform.quote(), _context(platform)).tcb.status == "UpToDate"
