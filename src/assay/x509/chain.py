"""Certificate chains of a fixed shape that end in a pinned root.

`cryptography.x509.verification` implements the web PKI's profile, which Intel's certificates do
not fit (no extended key usage, subject names instead of DNS names). What it would check is checked
here one by one, for chains whose length and names are known beforehand.

Source: RFC 5280 section 6.1; Intel SGX PCK Certificate and CRL Profile Specification, rev. 1.5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID, SignatureAlgorithmOID

from assay.errors import Finding, UntrustedEvidenceError
from assay.x509.anchor import TrustAnchor, subject_public_key
from assay.x509.validity import Validity, certificate_validity

_MAX_CERTIFICATES = 8
"""No chain of a vendor has more than four; more is an attempt to keep us busy."""

_MAX_PEM_SIZE = 32 * 1024
"""Real chains take under 5 kB. Without a limit, white space alone could fill every memory."""

PARSE_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
"""What `cryptography` raises on certificates and CRLs that do not parse.

A look-up fails in a TLS feature (RFC 7633) of an unknown number. A warning is one of them where
the interpreter was told to make errors of warnings.
"""

_SHOWN_CHARACTERS = 64
"""The longest common name that RFC 5280 allows; the rest of a longer one is not shown."""

_PEM_CHAIN = re.compile(
    rb"(?:\s*-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----)+\s*"
)
_PEM_BEGIN = b"-----BEGIN CERTIFICATE-----"
_KNOWN_EXTENSIONS = frozenset({ExtensionOID.KEY_USAGE, ExtensionOID.BASIC_CONSTRAINTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainProfile:
    """The shape a chain must have."""

    check: str
    """`<format>.<object>`: the start of every finding's code."""

    label: str
    """The chain in words, for findings."""

    common_names: tuple[frozenset[str], ...]
    """The subject common names allowed at each place, leaf first, root last."""

    ca_leaf: bool = False
    """Whether the first certificate is itself a CA (the issuer of a CRL)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """A chain that ends in a pinned root. Times and revocation are not checked yet."""

    certificates: tuple[x509.Certificate, ...]
    """Leaf first, root last."""

    leaf_key: ec.EllipticCurvePublicKey
    """The end entity's key, P-256: one object, since a new one makes its first use slower."""

    anchor: TrustAnchor
    validities: tuple[Validity, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The end entity."""
        return self.certificates[0]


def read_pem_chain(data: bytes, profile: ChainProfile) -> tuple[x509.Certificate, ...]:
    """Parse PEM certificates with nothing but white space around them.

    Raises:
        UntrustedEvidenceError: Text between the certificates or far too much of it
            (`cert_format`), none or too many (`chain`), or one that does not parse
            (`cert_format`).
    """
    if len(data) > _MAX_PEM_SIZE:
        raise _refused(
            profile, "cert_format", f"at most {_MAX_PEM_SIZE} bytes", f"{len(data)} bytes"
        )
    count = data.count(_PEM_BEGIN)
    expected = len(profile.common_names)
    if not data.strip() or count > _MAX_CERTIFICATES:
        raise _refused(profile, "chain", f"{expected} certificates", f"{count}")
    if _PEM_CHAIN.fullmatch(data) is None:
        raise _refused(profile, "cert_format", "PEM certificates and nothing else", "other text")
    try:
        certificates = tuple(x509.load_pem_x509_certificates(data))
        for certificate in certificates:
            _parse_wholly(certificate)
    except PARSE_ERRORS as error:
        raise _refused(
            profile, "cert_format", "X.509 certificates", f"{type(error).__name__}"
        ) from error
    return certificates


def verify_chain(
    certificates: Sequence[x509.Certificate],
    profile: ChainProfile,
    *,
    anchors: Sequence[TrustAnchor],
) -> CertificateChain:
    """Verify names, constraints and signatures up to a pinned root.

    Validity periods and revocation are left to the caller, who has the time and the CRLs. Path
    lengths are not compared: the profile fixes the length, and one genuine root of Intel's says 0
    above an intermediate CA, which RFC 5280 ignores in a trust anchor.

    Args:
        certificates: Leaf first, root last, complete.
        profile: The shape to hold them to.
        anchors: The roots to trust.

    Raises:
        UntrustedEvidenceError: With a finding of class `chain` or `root_untrusted`.
    """
    expected = len(profile.common_names)
    if len(certificates) != expected:
        raise _refused(profile, "chain", f"{expected} certificates", f"{len(certificates)}")
    keys = [_checked_key(certificate, profile) for certificate in certificates]
    for certificate, names in zip(certificates, profile.common_names, strict=True):
        _check_subject(certificate, names, profile)
    for index, certificate in enumerate(certificates):
        _check_critical_extensions(certificate, profile)
        _check_role(certificate, profile, is_ca=index > 0 or profile.ca_leaf)
    anchor = _find_anchor(certificates[-1], anchors, profile)
    for child, parent in zip(certificates, (*certificates[1:], certificates[-1]), strict=True):
        _check_issued(child, parent, profile)
    return CertificateChain(
        certificates=tuple(certificates),
        leaf_key=keys[0],
        anchor=anchor,
        validities=tuple(
            certificate_validity(
                certificate,
                check=profile.check,
                label=f"{profile.label}: {common_name(certificate.subject)}",
            )
            for certificate in certificates
        ),
    )


def common_name(name: x509.Name) -> str:
    """The one common name of `name`, or its whole text where it has none or several."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else name.rfc4514_string()


def shown_name(name: x509.Name) -> str:
    """The common name for error texts: quoted, escaped and cut, as anybody may have chosen it."""
    text = common_name(name)
    return repr(text[:_SHOWN_CHARACTERS]) + ("…" if len(text) > _SHOWN_CHARACTERS else "")


def read_fields(certificate: x509.Certificate) -> None:
    """Read each field once: `cryptography` parses them late, where no error is expected.

    What fails raises one of `PARSE_ERRORS`.
    """
    for field in _FIELDS:
        getattr(certificate, field)
    certificate.public_key()


def _parse_wholly(certificate: x509.Certificate) -> None:
    read_fields(certificate)
    # The signature is whole bytes: a count of unused bits but zero is another spelling of it.
    if not certificate.public_bytes(Encoding.DER).endswith(b"\0" + certificate.signature):
        raise ValueError("a signature that is not of whole bytes (RFC 5480 appendix A)")
    if certificate.serial_number <= 0:
        raise ValueError("a serial number below 1 (RFC 5280 section 4.1.2.2)")


_FIELDS = (
    "subject",
    "issuer",
    "serial_number",
    "not_valid_before_utc",
    "not_valid_after_utc",
    "signature_algorithm_oid",
    "extensions",
)


def _checked_key(certificate: x509.Certificate, profile: ChainProfile) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _refused(profile, "chain", "P-256 keys", f"another key in {_named(certificate)}")
    if certificate.signature_algorithm_oid != SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise _refused(
            profile,
            "chain",
            "ecdsa-with-SHA256 signatures",
            f"{certificate.signature_algorithm_oid.dotted_string} on {_named(certificate)}",
        )
    return key


def _check_subject(
    certificate: x509.Certificate, names: frozenset[str], profile: ChainProfile
) -> None:
    if common_name(certificate.subject) not in names:
        raise _refused(
            profile, "chain", f"subject {' or '.join(sorted(names))}", _named(certificate)
        )


def _check_critical_extensions(certificate: x509.Certificate, profile: ChainProfile) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _KNOWN_EXTENSIONS:
            raise _refused(
                profile,
                "chain",
                "no unknown critical extension",
                f"{extension.oid.dotted_string} in {_named(certificate)}",
            )


def _check_role(certificate: x509.Certificate, profile: ChainProfile, *, is_ca: bool) -> None:
    extensions = certificate.extensions
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise _refused(
            profile, "chain", "basicConstraints and keyUsage", f"none in {_named(certificate)}"
        ) from error
    if constraints.ca != is_ca:
        word = "a CA" if is_ca else "an end entity"
        raise _refused(profile, "chain", f"{_named(certificate)} to be {word}", "the contrary")
    if is_ca and not (usage.key_cert_sign and usage.crl_sign):
        raise _refused(
            profile, "chain", "CAs with keyCertSign and cRLSign", f"less in {_named(certificate)}"
        )
    if not is_ca and not usage.digital_signature:
        raise _refused(
            profile, "chain", "end entities with digitalSignature", f"none in {_named(certificate)}"
        )


def _find_anchor(
    root: x509.Certificate, anchors: Sequence[TrustAnchor], profile: ChainProfile
) -> TrustAnchor:
    for anchor in anchors:
        if anchor.issued(root):
            return anchor
    digest = hashes.Hash(hashes.SHA256())
    digest.update(subject_public_key(root))
    raise UntrustedEvidenceError(
        f"{profile.label} does not end in a trusted root",
        findings=[
            Finding(
                check=f"{profile.check}.root_untrusted",
                expected="a root of the trust anchors",
                actual=f"{_named(root)} with key SHA-256 {digest.finalize().hex()}",
                hint="trusted roots are pinned or set by the operator, never taken from evidence",
            )
        ],
    )


def _check_issued(child: x509.Certificate, parent: x509.Certificate, profile: ChainProfile) -> None:
    try:
        child.verify_directly_issued_by(parent)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise _refused(
            profile,
            "chain",
            f"{_named(child)} to be issued by {_named(parent)}",
            "another issuer or a bad signature",
        ) from error


def _named(certificate: x509.Certificate) -> str:
    return shown_name(certificate.subject)


def _refused(
    profile: ChainProfile, error_class: str, expected: str, actual: str
) -> UntrustedEvidenceError:
    finding = Finding(check=f"{profile.check}.{error_class}", expected=expected, actual=actual)
    return UntrustedEvidenceError(
        f"{profile.label}: expected {expected}, got {actual}", findings=[finding]
    )
