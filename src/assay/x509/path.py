"""Certification paths of any length, from a certificate to a root that the operator trusts.

For the keys of TPMs, whose makers and issuers arrange their authorities as they like. Only the end
entity's certificate is taken from the evidence; what lies between comes from the operator, too.

Source: RFC 5280 section 6.1; TCG EK Credential Profile, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID

from assay.errors import Finding, UntrustedEvidenceError
from assay.x509.chain import PARSE_ERRORS, shown_name
from assay.x509.validity import certificate_validity

_MAX_INTERMEDIATES: Final = 4
_MAX_CERTIFICATE_SIZE: Final = 16 * 1024
_RSA_BITS: Final = range(2048, 8193)
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_ANY_USAGE: Final = x509.ObjectIdentifier("2.5.29.37.0")
_FIELDS: Final = (
    "subject",
    "issuer",
    "extensions",
    "signature_algorithm_oid",
    "not_valid_before_utc",
    "not_valid_after_utc",
)
"""`cryptography` parses them late, where no error is expected."""

_KNOWN_EXTENSIONS: Final = frozenset(
    {
        ExtensionOID.KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.EXTENDED_KEY_USAGE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAnchors:
    """What paths may end in, and what may lie on them."""

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProfile:
    """What an end entity's certificate must be for."""

    check: str
    """`<format>.<object>`: the start of every finding's code."""

    label: str
    """The certificate in words, for findings."""

    usage: x509.ObjectIdentifier
    """The extended key usage that it must have."""


def read_certificate(data: bytes, profile: PathProfile) -> x509.Certificate:
    """Parse a certificate in DER, with everything that is looked at later.

    Raises:
        UntrustedEvidenceError: It does not parse, or is far too large (`cert_format`).
    """
    if len(data) > _MAX_CERTIFICATE_SIZE:
        raise _refused(
            profile, "cert_format", f"at most {_MAX_CERTIFICATE_SIZE} bytes", f"{len(data)}"
        )
    try:
        certificate = x509.load_der_x509_certificate(data)
        for field in _FIELDS:
            getattr(certificate, field)
        certificate.public_key()
    except PARSE_ERRORS as error:
        raise _refused(
            profile, "cert_format", "an X.509 certificate", type(error).__name__
        ) from error
    return certificate


def verify_path(
    leaf: x509.Certificate, profile: PathProfile, *, anchors: PathAnchors, at: datetime
) -> tuple[x509.Certificate, ...]:
    """The path from `leaf` to a root, leaf first. Revocation is not checked.

    Args:
        leaf: The end entity's certificate.
        profile: What it must be for.
        anchors: The operator's roots and intermediate authorities.
        at: The instant that all of them must be valid at.

    Raises:
        UntrustedEvidenceError: No path leads to a root (`root_untrusted`), or on the first that
            does a certificate is not what it must be (`chain`, `purpose`, `cert_expired`,
            `cert_not_yet_valid`), and the others are no better.
    """
    refused: UntrustedEvidenceError | None = None
    # Authorities are renewed under their names and keys: one that has ended is not the last word.
    for path in _paths((leaf,), anchors):
        try:
            _check_path(path, profile, int(at.timestamp()))
        except UntrustedEvidenceError as error:
            refused = refused or error
        else:
            return path
    raise refused or _refused(
        profile,
        "root_untrusted",
        "a path to a root that the operator trusts",
        f"issuer {shown_name(leaf.issuer)}, which leads to none",
        "add the issuer's root, and the authorities between, to the instance's TPM roots",
    )


def _check_path(path: tuple[x509.Certificate, ...], profile: PathProfile, at: int) -> None:
    for depth, certificate in enumerate(path):
        _check_strength(certificate, profile)
        _check_extensions(certificate, profile)
        if depth:
            _check_authority(certificate, profile, below=depth - 1)
    _check_end_entity(path[0], profile)
    found = [_validity_finding(certificate, profile, at) for certificate in path]
    findings = [finding for finding in found if finding is not None]
    if findings:
        raise UntrustedEvidenceError(str(findings[0]), findings=findings)


def _paths(
    path: tuple[x509.Certificate, ...], anchors: PathAnchors
) -> Iterator[tuple[x509.Certificate, ...]]:
    tip = path[-1]
    for root in anchors.roots:
        if _issued(tip, root):
            yield (*path, root)
    if len(path) > _MAX_INTERMEDIATES:
        return
    for issuer in anchors.intermediates:
        if issuer not in path and _issued(tip, issuer):
            yield from _paths((*path, issuer), anchors)


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    # Names first: a signature that cannot fit would cost its check.
    if child.issuer != parent.subject:
        return False
    try:
        child.verify_directly_issued_by(parent)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _check_strength(certificate: x509.Certificate, profile: PathProfile) -> None:
    key = certificate.public_key()
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    if not strong:
        raise _refused(
            profile,
            "chain",
            "RSA keys of 2048 to 8192 bits, or keys on P-256, P-384 or P-521",
            f"another key in {shown_name(certificate.subject)}",
        )
    if not isinstance(certificate.signature_hash_algorithm, _HASHES):
        raise _refused(
            profile,
            "chain",
            "signatures over SHA-256 or better",
            f"another on {shown_name(certificate.subject)}",
        )


def _check_extensions(certificate: x509.Certificate, profile: PathProfile) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _KNOWN_EXTENSIONS:
            raise _refused(
                profile,
                "chain",
                "no unknown critical extension",
                f"{extension.oid.dotted_string} in {shown_name(certificate.subject)}",
            )


def _check_authority(certificate: x509.Certificate, profile: PathProfile, *, below: int) -> None:
    """Check that a certificate may issue what lies on the path below it.

    Args:
        certificate: The authority's.
        profile: What the end entity must be for.
        below: How many authorities lie below.
    """
    named = shown_name(certificate.subject)
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    if constraints is None or not constraints.ca or usage is None or not usage.key_cert_sign:
        raise _refused(
            profile, "chain", "authorities that are CAs with keyCertSign", f"less in {named}"
        )
    if constraints.path_length is not None and constraints.path_length < below:
        raise _refused(
            profile,
            "chain",
            f"{named} to allow {below} authorities below it",
            f"a path length of {constraints.path_length}",
        )
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and not {profile.usage, _ANY_USAGE} & set(purposes):
        raise _refused(
            profile,
            "purpose",
            f"authorities for {profile.usage.dotted_string}",
            f"other purposes in {named}",
        )


def _check_end_entity(leaf: x509.Certificate, profile: PathProfile) -> None:
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise _refused(profile, "chain", "an end entity", "a CA")
    purposes = _extension(leaf, x509.ExtendedKeyUsage)
    if purposes is None or profile.usage not in set(purposes):
        shown = ", ".join(one.dotted_string for one in purposes or ())
        raise _refused(
            profile,
            "purpose",
            f"extended key usage {profile.usage.dotted_string}",
            shown or "none",
            "only a certificate of this purpose says that the key is in a TPM",
        )


def _extension(
    certificate: x509.Certificate, kind: type[x509.extensions.ExtensionTypeVar]
) -> x509.extensions.ExtensionTypeVar | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _validity_finding(
    certificate: x509.Certificate, profile: PathProfile, at: int
) -> Finding | None:
    label = f"{profile.label}: {shown_name(certificate.subject)}"
    return certificate_validity(certificate, check=profile.check, label=label).finding_at(at)


def _refused(
    profile: PathProfile, error_class: str, expected: str, actual: str, hint: str = ""
) -> UntrustedEvidenceError:
    finding = Finding(
        check=f"{profile.check}.{error_class}",
        expected=f"{profile.label}: {expected}",
        actual=actual,
        hint=hint,
    )
    return UntrustedEvidenceError(str(finding), findings=[finding])
