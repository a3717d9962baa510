"""The service's own evidence: certificates of signing keys that an enclave vouches for, or not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat import asn1

from assay.encoding import encode_base64url, encode_json
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.tcb import TcbStatus
from assay.errors import CollateralUnavailableError, RequirementError, TokenError
from assay.keys import SigningKey
from assay.relying_party import Requirements, TokenVerifier, VerificationKey, require
from assay.relying_party.signer import SignerEvidence
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import legacy_report
from assay.simulator.sgx import SAMPLE_MR_ENCLAVE, SAMPLE_MR_SIGNER
from tests.attestation_tokens import ISSUER, key_set, service_key, token
from tests.conftest import AT

REPORT: Final = "1.3.6.1.4.1.311.105.1"
SNP: Final = "1.3.6.1.4.1.311.105.1000.1"
SNP_KIND: Final = "1.3.6.1.4.1.311.105.1000.2"


def _bound(key: SigningKey) -> bytes:
    return hashlib.sha256(key.spki_pem + b"\0").digest()


def _report(
    platform: SimulatedPlatform,
    key: SigningKey | None = None,
    **fields: Any,  # noqa: ANN401  of the quote
) -> tuple[str, bytes]:
    quote = platform.quote(report_data=_bound(key or service_key()), **fields)
    return REPORT, legacy_report(quote)


def _key(*extensions: tuple[str, bytes]) -> VerificationKey:
    return key_set(service_key(), extensions=extensions).keys[service_key().kid]


def _signer(
    platform: SimulatedPlatform,
    collateral: Callable[[DcapPlatform], DcapCollateral] | None = None,
    **options: Any,  # noqa: ANN401  of the class
) -> SignerEvidence:
    requirements = options.pop("requirements", require(mrenclave=SAMPLE_MR_ENCLAVE))
    return SignerEvidence(
        requirements,
        collateral=collateral or (lambda _platform: platform.collateral(AT)),
        roots=platform.anchors,
        **options,
    )


def _refusal(signer: SignerEvidence, key: VerificationKey) -> list[str]:
    with pytest.raises(TokenError) as caught:
        signer.check(key, at=AT)
    return [one.check for one in caught.value.findings]


def test_a_key_that_the_right_enclave_vouches_for_is_taken(platform: SimulatedPlatform) -> None:
    asked: list[DcapPlatform] = []

    def collateral(found: DcapPlatform) -> DcapCollateral:
        asked.append(found)
        return platform.collateral(AT)

    signer = _signer(platform, collateral)
    claims = signer.claims(_key(_report(platform, isv_svn=5)), at=AT)

    assert claims["x-ms-sgx-svn"] == 5
    assert claims["x-assay-tcb-status"] == "UpToDate"
    assert asked == [platform.dcap_platform]


def test_a_token_counts_only_with_its_signers_evidence(platform: SimulatedPlatform) -> None:
    """TK-10."""
    signer = _signer(platform)
    vouched = key_set(service_key(), extensions=[_report(platform)])

    def verifier(keys: Any) -> TokenVerifier:  # noqa: ANN401  as `TokenVerifier` takes them
        return TokenVerifier(ISSUER, keys=keys, signer=signer, now=lambda: AT)

    assert verifier(vouched).verify(token()).signed
    with pytest.raises(TokenError) as caught:
        verifier(key_set(service_key())).verify(token())
    assert [one.check for one in caught.value.findings] == ["token.signer.evidence_missing"]


def test_evidence_of_another_key_is_refused(platform: SimulatedPlatform) -> None:
    foreign = _key(_report(platform, service_key(1)))

    assert _refusal(_signer(platform), foreign) == ["openenclave.certificate.binding"]


@pytest.mark.parametrize(
    ("requirements", "count"),
    [
        (require(mrenclave=bytes(32)), 1),
        (require(mrsigner=bytes(32), svn__ge=1), 2),
        (require(mrsigner=SAMPLE_MR_SIGNER, product_id=9), 1),
    ],
)
def test_evidence_of_another_enclave_is_refused(
    platform: SimulatedPlatform,
    requirements: Requirements,
    count: int,
) -> None:
    signer = _signer(platform, requirements=requirements)

    assert _refusal(signer, _key(_report(platform))) == ["token.claims.requirement"] * count


def test_an_enclave_in_debug_mode_is_refused_unless_it_is_allowed(
    platform: SimulatedPlatform,
) -> None:
    key = _key(_report(platform, debug=True))

    assert _refusal(_signer(platform), key) == ["token.signer.evidence_debug"]
    _signer(platform, allow_debug=True).check(key, at=AT)


def test_a_platform_that_is_behind_is_refused_unless_it_is_accepted(
    platform: SimulatedPlatform,
) -> None:
    behind = platform.with_status(TcbStatus.OUT_OF_DATE)
    key = _key(_report(behind))

    assert _refusal(_signer(behind), key) == ["token.signer.evidence_tcb"]
    _signer(behind, accepted_tcb=frozenset({TcbStatus.OUT_OF_DATE})).check(key, at=AT)


def test_evidence_under_another_root_is_refused(platform: SimulatedPlatform) -> None:
    key = _key(_report(SimulatedPlatform.create(AT)))

    assert "dcap.pck_chain.root_untrusted" in _refusal(_signer(platform), key)


def test_evidence_that_does_not_parse_is_refused(platform: SimulatedPlatform) -> None:
    assert _refusal(_signer(platform), _key((REPORT, b"\1"))) == ["openenclave.report.oe_format"]


@pytest.mark.parametrize("without", ["extension", "certificate"])
def test_a_key_without_evidence_is_refused_where_it_is_mandatory(
    platform: SimulatedPlatform, without: str
) -> None:
    key = _key()
    if without == "certificate":
        key = VerificationKey(
            kid=key.kid, kind=key.kind, algorithm=None, key=key.key, public_key=key.public_key
        )

    assert _refusal(_signer(platform), key) == ["token.signer.evidence_missing"]
    assert _signer(platform, mandatory=False).claims(key, at=AT) == {}


def test_evidence_is_verified_where_it_is_there_though_it_need_not_be(
    platform: SimulatedPlatform,
) -> None:
    foreign = _key(_report(platform, service_key(1)))

    assert _refusal(_signer(platform, mandatory=False), foreign)


def test_a_certificate_whose_extensions_do_not_parse_is_refused(
    platform: SimulatedPlatform,
) -> None:
    key = _key(("2.5.29.15", b"\x01"))

    assert _refusal(_signer(platform, mandatory=False), key) == ["token.signer.evidence_missing"]


def test_two_kinds_of_evidence_are_refused(platform: SimulatedPlatform) -> None:
    key = _key(_report(platform), (SNP, b"\x0c\x00"))

    assert _refusal(_signer(platform), key) == ["token.signer.evidence_ambiguous"]


def test_any_enclave_of_anybody_is_no_demand(platform: SimulatedPlatform) -> None:
    with pytest.raises(RequirementError, match="mrenclave or mrsigner"):
        _signer(platform, requirements=require(svn__ge=1, debuggable=False))


def test_a_verdict_is_remembered_for_an_hour_at_most(platform: SimulatedPlatform) -> None:
    asked: list[DcapPlatform] = []
    moment = [AT]

    def collateral(found: DcapPlatform) -> DcapCollateral:
        asked.append(found)
        return platform.collateral(moment[0])

    signer, key = _signer(platform, collateral), _key(_report(platform))
    for minutes, times in ((0, 1), (59, 1), (60, 2), (61, 2), (0, 3)):
        moment[0] = AT + timedelta(minutes=minutes)
        signer.check(key, at=moment[0])
        assert len(asked) == times


def test_old_collateral_is_no_fault_of_the_key(platform: SimulatedPlatform) -> None:
    signer = _signer(platform)

    with pytest.raises(CollateralUnavailableError):
        signer.check(_key(_report(platform)), at=AT + timedelta(days=60))


# AMD SEV-SNP: parsed, bound, and refused.


def _snp(report: bytes, **changes: Any) -> tuple[tuple[str, bytes], ...]:  # noqa: ANN401  members
    members = {
        "SnpReport": encode_base64url(report),
        "VcekCertChain": encode_base64url(b"pem"),
        "Endorsements": "",
    } | changes
    return (
        (SNP, asn1.encode_der(encode_json(members).decode())),
        (SNP_KIND, asn1.encode_der("acisevsnp")),
    )


def _snp_report(key: SigningKey) -> bytes:
    return (bytes(0x50) + _bound(key)).ljust(1184, b"\0")


def test_an_snp_report_that_is_bound_is_refused_by_its_name(platform: SimulatedPlatform) -> None:
    key = _key(*_snp(_snp_report(service_key())))

    with pytest.raises(TokenError, match="SEV-SNP") as caught:
        _signer(platform).check(key, at=AT)

    assert [one.check for one in caught.value.findings] == ["token.signer.evidence_unsupported"]


def test_an_snp_report_of_another_key_is_refused(platform: SimulatedPlatform) -> None:
    key = _key(*_snp(_snp_report(service_key(1))))

    assert _refusal(_signer(platform), key) == ["token.signer.snp_binding"]


@pytest.mark.parametrize(
    "extensions",
    [
        _snp(bytes(1183)),
        _snp(bytes(1185)),
        _snp(bytes(1184), SnpReport="*"),
        _snp(bytes(1184), SnpReport=None),
        _snp(bytes(1184), VcekCertChain=1.5),
        _snp(bytes(1184))[:1],
        ((SNP, b"{}"), _snp(b"")[1]),
        ((SNP, asn1.encode_der("[]")), _snp(b"")[1]),
    ],
    ids=["short", "long", "alphabet", "null", "number", "no kind", "not DER", "no object"],
)
def test_a_malformed_snp_report_is_refused(
    platform: SimulatedPlatform, extensions: tuple[tuple[str, bytes], ...]
) -> None:
    assert _refusal(_signer(platform), _key(*extensions)) == ["token.signer.snp_format"]
