"""Trust anchors: the keys that chains must end in. Settings name them, messages never do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """A root's name and key (RFC 5280 section 6.1.1 (d)).

    Not its certificate: Intel has issued four certificates for one root name and key.
    """

    name: x509.Name
    spki: bytes
    """SubjectPublicKeyInfo, DER."""

    public_key: ec.EllipticCurvePublicKey = field(compare=False)
    simulated: bool = False
    """Made by the simulator: fit for tests, never for secrets."""

    fingerprint: str = field(init=False, repr=False, compare=False)
    """SHA-256 of the SubjectPublicKeyInfo, lower-case hex."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", hashlib.sha256(self.spki).hexdigest())

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether `certificate` carries this anchor's name and key as its own."""
        return certificate.subject == self.name and subject_public_key(certificate) == self.spki

    @classmethod
    def from_certificate(
        cls, certificate: x509.Certificate, *, simulated: bool = False
    ) -> TrustAnchor:
        """The anchor that a root certificate describes.

        Raises:
            SettingsError: Its key is not an elliptic-curve key.
        """
        public_key = certificate.public_key()
        if not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise SettingsError(
                f"root {certificate.subject.rfc4514_string()!r}: expected an elliptic-curve key"
            )
        return cls(
            name=certificate.subject,
            spki=subject_public_key(certificate),
            public_key=public_key,
            simulated=simulated,
        )


def subject_public_key(certificate: x509.Certificate) -> bytes:
    """The certificate's SubjectPublicKeyInfo, DER."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
