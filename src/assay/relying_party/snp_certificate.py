"""Signing certificates of services that run on AMD SEV-SNP: the report inside, and its binding.

| extension | content |
|---|---|
| 1.3.6.1.4.1.311.105.1000.1 | UTF8String: JSON with `SnpReport`, `VcekCertChain`, `Endorsements` |
| 1.3.6.1.4.1.311.105.1000.2 | UTF8String: the kind of environment, such as `acisevsnp` |

The report is parsed as far as its binding to the certificate's key needs. Whether AMD's hardware
signed it is not verified, so nothing here may be trusted.

Source: Azure-Samples, `microsoft-azure-attestation`, "Verify signing certificates"; AMD SEV-SNP
ABI, section 7.3.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.encoding import EncodingError, decode_base64, parse_json_object
from assay.errors import Finding, UntrustedEvidenceError
from assay.wire import Layout, malformed, octets
from assay.x509.chain import PARSE_ERRORS

SNP_OID: Final = x509.ObjectIdentifier("1.3.6.1.4.1.311.105.1000.1")
SNP_KIND_OID: Final = x509.ObjectIdentifier("1.3.6.1.4.1.311.105.1000.2")

_FORMAT: Final = "token.signer.snp_format"
_REPORT_SIZE: Final = 1184
_REPORT: Final = Layout(
    "snp_report",
    octets("before", 0x50),
    octets("report_data", 64),
    octets("measurement", 48),
    octets("after", _REPORT_SIZE - 0x50 - 64 - 48),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnpSignerReport:
    """What such a certificate says of its service. Nothing is verified but the binding."""

    kind: str
    report: bytes
    report_data: bytes
    measurement: bytes
    """Of the launch; 48 bytes."""

    vcek_chain: bytes
    """PEM: VCEK, ASK, ARK."""


def parse_snp_certificate(certificate: x509.Certificate) -> SnpSignerReport:
    """Parse the report in a certificate.

    Raises:
        MalformedEvidenceError: The extensions are not as the module says.
    """
    try:
        evidence = _text(certificate, SNP_OID)
        kind = _text(certificate, SNP_KIND_OID)
        members = parse_json_object(evidence.encode(), "SNP evidence")
        report = decode_base64(str(members.get("SnpReport")), "SnpReport")
        chain = decode_base64(str(members.get("VcekCertChain")), "VcekCertChain")
    except (*PARSE_ERRORS, x509.ExtensionNotFound, EncodingError) as error:
        raise malformed(_FORMAT, "the two extensions of SNP evidence", f"{error}"[:200]) from error
    if len(report) != _REPORT_SIZE:
        raise malformed(_FORMAT, f"a report of {_REPORT_SIZE} bytes", f"{len(report)}")
    _, report_data, measurement, _ = _REPORT.unpack(report, _FORMAT)
    return SnpSignerReport(
        kind=kind,
        report=report,
        report_data=report_data,
        measurement=measurement,
        vcek_chain=chain,
    )


def check_snp_binding(certificate: x509.Certificate, report: SnpSignerReport) -> None:
    """Check that the report names the certificate's key.

    Raises:
        UntrustedEvidenceError: It names another.
    """
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # The hash is that of the C string, with its terminator.
    expected = hashlib.sha256(pem + b"\0").digest() + bytes(32)
    if not hmac.compare_digest(expected, report.report_data):
        finding = Finding(
            check="token.signer.snp_binding",
            expected=f"report data SHA-256(public key PEM and NUL) {expected.hex()}",
            actual=report.report_data.hex(),
        )
        raise UntrustedEvidenceError(str(finding), findings=[finding])


def _text(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    value = certificate.extensions.get_extension_for_oid(oid).value
    return asn1.decode_der(str, value.public_bytes())
