"""Trust in a platform's quoting enclave: everything about a quote but the quote itself.

It is the same for every quote of a platform until its QE or the collateral changes, and it does
not depend on time: periods of validity are carried along, to be compared on every use.

Source: Intel SGX/TDX DCAP Quote Verification Library, `QuoteVerifier::verify`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from assay.endorsements.intel import VerifiedCollateral, check_not_revoked, verify_raw_signature
from assay.endorsements.platform import Tee
from assay.endorsements.tcb import EnclaveIdentity
from assay.errors import Finding, FindingCollector, UntrustedEvidenceError
from assay.evidence.dcap.body import QUOTE_FORMAT, SgxReportBody, read_report_body
from assay.evidence.dcap.pck import PCK_CHAIN, PckChain
from assay.evidence.dcap.signature import QuoteSignature
from assay.evidence.dcap.tcb import TcbAppraisal
from assay.wire import Reader
from assay.x509 import TrustAnchor, ValidityPeriod

_IDENTITY_IDS: Final = {Tee.SGX: "QE", Tee.TDX: "TD_QE"}
_HASH_SIZE: Final = 32
_P256: Final = ec.SECP256R1()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformStanding:
    """A PCK certificate that stands up to one set of collateral."""

    pck: PckChain
    collateral: VerifiedCollateral
    period: ValidityPeriod
    """Of the PCK chain and of all collateral."""

    earliest_expiration: datetime
    """The end of `period`."""

    anchor: TrustAnchor


class QuotingEnclave(msgspec.Struct, frozen=True, kw_only=True):
    """Intel's quoting enclave on a platform, and the key that it certified."""

    attestation_key: ec.EllipticCurvePublicKey
    isv_svn: int


class PlatformTrust(msgspec.Struct, frozen=True, kw_only=True):
    """A platform whose quoting enclave is verified."""

    attestation_key: ec.EllipticCurvePublicKey
    tcb: TcbAppraisal
    standing: PlatformStanding


def examine_platform(
    pck: PckChain, collateral: VerifiedCollateral, *, tee: Tee
) -> PlatformStanding:
    """Hold a PCK certificate against collateral.

    Raises:
        UntrustedEvidenceError: With every finding.
    """
    collector = FindingCollector()
    # 2, 3. The PCK chain: the collateral's own root and PCK CA, nothing revoked.
    with collector:
        _check_issuers(pck, collateral)
    with collector:
        _check_revocation(pck, collateral)
    # 4. The collateral: meant for this TEE and this platform.
    with collector:
        _check_collateral_fits(pck, collateral, tee)
    if collector.findings:
        raise UntrustedEvidenceError("the platform does not verify", findings=collector.findings)
    period = ValidityPeriod.of([*pck.chain.validities, *collateral.period.windows])
    return PlatformStanding(
        pck=pck,
        collateral=collateral,
        period=period,
        earliest_expiration=datetime.fromtimestamp(period.not_after, UTC),
        anchor=pck.chain.anchor,
    )


def examine_quoting_enclave(
    signature: QuoteSignature, pck: PckChain, identity: EnclaveIdentity
) -> QuotingEnclave:
    """Verify a quote's QE report: whose it is, and which attestation key it certifies.

    Raises:
        MalformedEvidenceError: The QE report does not parse.
        UntrustedEvidenceError: With every finding.
    """
    collector = FindingCollector()
    report = read_report_body(Reader(signature.qe_report, "qe_report", check=QUOTE_FORMAT))
    # 5. The QE report: signed by the PCK key, binding the attestation key.
    with collector:
        _check_qe_report_signature(signature, pck)
    with collector:
        _check_qe_report_data(signature, report)
    # 6. The quoting enclave: Intel's.
    with collector:
        check_qe_identity(report, identity)
    if collector.findings:
        raise UntrustedEvidenceError("the QE does not verify", findings=collector.findings)
    return QuotingEnclave(attestation_key=read_attestation_key(signature), isv_svn=report.isv_svn)


def read_attestation_key(signature: QuoteSignature) -> ec.EllipticCurvePublicKey:
    """The P-256 key that signs quotes.

    Raises:
        UntrustedEvidenceError: The point is not on the curve (`quote_signature`).
    """
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(
            _P256, b"\x04" + signature.attestation_key
        )
    except ValueError as error:
        raise _refused(
            "dcap.quote.quote_signature", "an attestation key on P-256", "a point off the curve"
        ) from error


def check_qe_identity(report: SgxReportBody, identity: EnclaveIdentity) -> None:
    """Check that a QE report is that of the enclave that `identity` describes.

    Raises:
        UntrustedEvidenceError: MRSIGNER, ISVPRODID, MISCSELECT or ATTRIBUTES differ, or the QE
            can be debugged (`qe_identity`).
    """
    mask = int.from_bytes(identity.attributes_mask, "little")
    misc_mask = identity.misc_select_mask
    comparisons: tuple[tuple[str, bytes | int, bytes | int], ...] = (
        ("MRSIGNER", report.mr_signer, identity.mr_signer),
        ("ISVPRODID", report.isv_prod_id, identity.isv_prod_id),
        (
            "MISCSELECT under its mask",
            report.misc_select & misc_mask,
            identity.misc_select & misc_mask,
        ),
        (
            "ATTRIBUTES under their mask",
            int.from_bytes(report.attributes, "little") & mask,
            int.from_bytes(identity.attributes, "little") & mask,
        ),
        ("DEBUG", report.is_debuggable, False),
    )
    findings = [
        Finding(
            check="dcap.qe_report.qe_identity",
            expected=f"QE {name} {_shown(expected)}",
            actual=_shown(actual),
        )
        for name, actual, expected in comparisons
        if actual != expected
    ]
    if findings:
        raise UntrustedEvidenceError("the QE is not Intel's", findings=findings)


def _shown(value: bytes | int) -> str:
    return value.hex() if isinstance(value, bytes) else f"{value:#x}"


def _check_issuers(pck: PckChain, collateral: VerifiedCollateral) -> None:
    if pck.chain.anchor != collateral.anchor:
        raise _refused(
            "dcap.pck_chain.root_untrusted",
            "evidence and collateral under one root",
            "two different trusted roots",
        )
    crl = collateral.pck_crl
    ca = pck.chain.certificates[1]
    if (crl.issuer, crl.issuer_spki) != (ca.subject, pck.ca_spki):
        raise _refused(
            "dcap.pck_crl.crl_issuer",
            "a CRL of the CA that issued this PCK certificate",
            "another CA's",
        )


def _check_revocation(pck: PckChain, collateral: VerifiedCollateral) -> None:
    check_not_revoked(pck.chain, collateral.root_ca_crl, PCK_CHAIN)
    serial = pck.chain.leaf.serial_number
    if serial in collateral.pck_crl.revoked:
        raise _refused(
            "dcap.pck_chain.revoked",
            "a PCK certificate that is not revoked",
            f"serial {serial:x} is on the PCK CRL",
        )


def _check_collateral_fits(pck: PckChain, collateral: VerifiedCollateral, tee: Tee) -> None:
    tcb_info, identity = collateral.tcb_info, collateral.qe_identity
    comparisons = (
        ("dcap.tcb_info", "TCB info for", tcb_info.tee, tee.value.upper()),
        ("dcap.tcb_info", "FMSPC", tcb_info.fmspc.hex(), pck.extensions.fmspc.hex()),
        ("dcap.tcb_info", "PCE-ID", tcb_info.pceid.hex(), pck.extensions.pceid.hex()),
        ("dcap.qe_identity", "enclave identity", identity.id, _IDENTITY_IDS[tee]),
    )
    findings = [
        Finding(
            check=f"{check}.collateral_mismatch",
            expected=f"{what} {expected}",
            actual=actual,
            hint="the collateral is another platform's: fetch it for this FMSPC",
        )
        for check, what, actual, expected in comparisons
        if actual != expected
    ]
    if findings:
        raise UntrustedEvidenceError("the collateral is not this platform's", findings=findings)


def _check_qe_report_signature(signature: QuoteSignature, pck: PckChain) -> None:
    if not verify_raw_signature(
        pck.chain.leaf_key, signature.qe_report_signature, signature.qe_report
    ):
        raise _refused(
            "dcap.qe_report.qe_report_signature",
            "a signature by the PCK key over the QE report",
            "a bad one",
        )


def _check_qe_report_data(signature: QuoteSignature, report: SgxReportBody) -> None:
    bound = hashlib.sha256(signature.attestation_key + signature.qe_auth_data).digest()
    # Nothing defines the second half; every genuine QE leaves it zero.
    if not hmac.compare_digest(report.report_data, bound + bytes(_HASH_SIZE)):
        raise _refused(
            "dcap.qe_report.qe_report_data",
            "QE report data SHA-256(attestation key || QE auth data) followed by zeros",
            "other data: the QE did not certify this attestation key",
        )


def _refused(check: str, expected: str, actual: str) -> UntrustedEvidenceError:
    return UntrustedEvidenceError(
        f"expected {expected}, got {actual}",
        findings=[Finding(check=check, expected=expected, actual=actual)],
    )
