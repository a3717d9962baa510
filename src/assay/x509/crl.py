"""Certificate revocation lists: parsed, verified, reduced to their serial numbers.

Source: RFC 5280 section 5 and 6.3; Intel SGX PCK Certificate and CRL Profile Specification.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

from assay.errors import Finding, UntrustedEvidenceError
from assay.x509.chain import PARSE_ERRORS, shown_name
from assay.x509.validity import Validity

_MAX_SIZE = 4 * 1024 * 1024
"""Intel's lists are under 10 kB; parsing stays cheap up to here."""

_SHOWN_CHARACTERS = 128

_PARTIAL = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.DELTA_CRL_INDICATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCrl:
    """A complete CRL whose signature is its issuer's. Its times are not checked yet."""

    issuer: x509.Name
    issuer_spki: bytes
    """SubjectPublicKeyInfo of the key that verified it, DER."""

    revoked: frozenset[int]
    """Serial numbers."""

    validity: Validity


def verify_crl(
    data: bytes,
    *,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePublicKey,
    issuer_spki: bytes,
    check: str,
    label: str,
) -> VerifiedCrl:
    """Parse a DER CRL and verify it against its issuer.

    Args:
        data: DER and nothing after it.
        issuer: The name that must have issued it.
        issuer_key: The key that must have signed it.
        issuer_spki: The same key as SubjectPublicKeyInfo.
        check: `<format>.<object>`: the start of every finding's code.
        label: The list in words, for findings.

    Raises:
        UntrustedEvidenceError: `crl_format`: does not parse, is partial, or never expires;
            `crl_issuer`: another issuer; `crl_signature`: a bad signature.
    """

    def refused(error_class: str, expected: str, actual: str) -> UntrustedEvidenceError:
        finding = Finding(check=f"{check}.{error_class}", expected=expected, actual=actual)
        return UntrustedEvidenceError(
            f"{label}: expected {expected}, got {actual}", findings=[finding]
        )

    try:
        crl, revoked = _parse(data)
    except _PartialCrlError as error:
        raise refused("crl_format", "a complete CRL", str(error)) from error
    except PARSE_ERRORS as error:
        raise refused("crl_format", "a DER CRL", f"{type(error).__name__}") from error
    if crl.issuer != issuer:
        raise refused("crl_issuer", f"issuer {_whole_name(issuer)}", _whole_name(crl.issuer))
    if crl.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise refused(
            "crl_signature",
            "an ecdsa-with-SHA256 signature",
            crl.signature_algorithm_oid.dotted_string,
        )
    if not crl.is_signature_valid(issuer_key):
        raise refused("crl_signature", f"a signature by {shown_name(issuer)}", "a bad one")
    if crl.next_update_utc is None:
        raise refused("crl_format", "a nextUpdate", "none")
    return VerifiedCrl(
        issuer=crl.issuer,
        issuer_spki=issuer_spki,
        revoked=revoked,
        validity=Validity(
            check=check,
            kind="crl",
            label=label,
            not_before=int(crl.last_update_utc.timestamp()),
            not_after=int(crl.next_update_utc.timestamp()),
        ),
    )


def _whole_name(name: x509.Name) -> str:
    # Two that differ may have one common name.
    return repr(name.rfc4514_string()[:_SHOWN_CHARACTERS])


class _PartialCrlError(Exception):
    """The list covers a part only, or says things that we do not understand."""


def _parse(data: bytes) -> tuple[x509.CertificateRevocationList, frozenset[int]]:
    if len(data) > _MAX_SIZE:
        raise _PartialCrlError(f"more than {_MAX_SIZE} bytes")
    crl = x509.load_der_x509_crl(data)
    for field in ("issuer", "last_update_utc", "next_update_utc", "signature_algorithm_oid"):
        # `cryptography` parses fields late, where no error is expected.
        getattr(crl, field)
    # The signature is whole bytes: a count of unused bits but zero is another spelling of it.
    if not data.endswith(b"\0" + crl.signature):
        raise ValueError("a signature that is not of whole bytes (RFC 5480 appendix A)")
    _require_understood(crl)
    return crl, frozenset(entry.serial_number for entry in crl)


def _require_understood(crl: x509.CertificateRevocationList) -> None:
    for extension in crl.extensions:
        if extension.critical or extension.oid in _PARTIAL:
            raise _PartialCrlError(f"extension {extension.oid.dotted_string}")
    for entry in crl:
        for entry_extension in entry.extensions:
            if entry_extension.critical:
                raise _PartialCrlError(f"entry extension {entry_extension.oid.dotted_string}")
