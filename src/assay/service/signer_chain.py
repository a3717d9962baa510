"""From the certificate that signed a change to the listed one that vouches for it.

A listed certificate vouches for its own key, and, as a CA, for those below it. Its own time is not
looked at: who listed it decides how long. What is below it comes with the change and is held to
RFC 5280: times, constraints, signatures.

Source: MAA protocol, section 5.1; RFC 5280 section 6.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from assay.errors import Finding, UntrustedSignerError
from assay.x509.chain import shown_name

_MIN_RSA_BITS: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_KNOWN_EXTENSIONS: Final = frozenset({ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE})


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, lower-case hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def find_signer(
    certificates: Sequence[x509.Certificate],
    listed: Mapping[str, x509.Certificate],
    *,
    at: datetime,
) -> str:
    """The fingerprint of the listed certificate that vouches for the first of `certificates`.

    Args:
        certificates: As they came with the signature: the signer's first, then what issued it.
        listed: The instance's signers by fingerprint.
        at: The instant that certificates below a listed one must be valid at.

    Raises:
        UntrustedSignerError: None does.
    """
    below: list[x509.Certificate] = []
    for certificate in certificates:
        mark = fingerprint(certificate)
        if mark in listed:
            _check_path([*below, certificate], at)
            return mark
        below.append(certificate)
        for issuer in _issuers(certificate, listed.values()):
            _check_path([*below, issuer], at)
            return fingerprint(issuer)
    last = below[-1]
    raise _refused(
        "signer_untrusted",
        "a certificate that is listed, or one that a listed CA issued",
        f"{shown_name(last.subject)}, issued by {shown_name(last.issuer)}",
    )


def check_signer_certificate(certificate: x509.Certificate) -> None:
    """Check that a certificate may be listed: its key is strong, and it is a CA's.

    Raises:
        UntrustedSignerError: It is not so.
    """
    _check_key(certificate)
    _check_issuer(certificate, intermediates=0)


def _issuers(
    certificate: x509.Certificate, candidates: Iterable[x509.Certificate]
) -> Iterator[x509.Certificate]:
    for candidate in candidates:
        if candidate.subject == certificate.issuer and _issued(certificate, candidate):
            yield candidate


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_over_sha2(certificate: x509.Certificate) -> bool:
    try:
        return isinstance(certificate.signature_hash_algorithm, _HASHES)
    except UnsupportedAlgorithm:
        return False


def _check_path(path: Sequence[x509.Certificate], at: datetime) -> None:
    """Check all certificates of a path but the listed one, which is its last."""
    for place, (certificate, issuer) in enumerate(pairwise(path)):
        _check_key(certificate)
        _check_extensions(certificate)
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise _refused(
                "signer_expired",
                f"{shown_name(certificate.subject)} to be valid at {at.isoformat()}",
                f"valid from {certificate.not_valid_before_utc.isoformat()} to "
                f"{certificate.not_valid_after_utc.isoformat()}",
            )
        if not (_is_over_sha2(certificate) and _issued(certificate, issuer)):
            raise _refused(
                "signer_untrusted",
                f"{shown_name(certificate.subject)} to be issued by "
                f"{shown_name(issuer.subject)}, signed over SHA-2",
                "another issuer, or a signature of another kind",
            )
        _check_issuer(issuer, intermediates=place)


def _check_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return
    raise _refused(
        "signer_key",
        f"RSA keys of at least {_MIN_RSA_BITS} bits, or keys on P-256, P-384 or P-521",
        f"another key in {shown_name(certificate.subject)}",
    )


def _check_extensions(certificate: x509.Certificate) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _KNOWN_EXTENSIONS:
            raise _refused(
                "signer_untrusted",
                "no unknown critical extension",
                f"{extension.oid.dotted_string} in {shown_name(certificate.subject)}",
            )


def _check_issuer(certificate: x509.Certificate, *, intermediates: int) -> None:
    """Check that a certificate is a CA's, with that many CAs between it and the signer."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    usage = _key_usage(certificate)
    if not constraints.ca or not (usage is None or usage.key_cert_sign):
        raise _refused(
            "signer_not_ca",
            f"{shown_name(certificate.subject)} to be a CA (basicConstraints CA=true)",
            "one that may not issue certificates",
        )
    if constraints.path_length is not None and constraints.path_length < intermediates:
        raise _refused(
            "signer_untrusted",
            f"at most {constraints.path_length} CAs below {shown_name(certificate.subject)}",
            f"{intermediates}",
        )


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _refused(error_class: str, expected: str, actual: str) -> UntrustedSignerError:
    finding = Finding(check=f"owner.chain.{error_class}", expected=expected, actual=actual)
    return UntrustedSignerError(
        f"the signer is not one of this instance: need {expected}, got {actual}",
        findings=[finding],
    )
