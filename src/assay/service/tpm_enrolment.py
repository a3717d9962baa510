"""The use case of certifying attestation keys of TPMs that nobody else certifies keys of.

An attestation key is certified when a secret that was encrypted for the endorsement key, under the
attestation key's name, comes back: only the TPM that holds both can tell it.

Source: TPM 2.0 Library, Part 1, section 24; TCG EK Credential Profile.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from assay.audit import AuditEvent, AuditOutcome
from assay.encoding import JsonValue
from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.credential import (
    check_attestation_key,
    check_endorsement_key,
    make_credential,
)
from assay.evidence.tpm.public import TpmPublic, parse_public
from assay.evidence.tpm.signature import same_key
from assay.evidence.tpm.verify import EK_PROFILE
from assay.service.aik_certificate import (
    AikAuthority,
    create_authority,
    issue_aik_certificate,
    tpm_names,
)
from assay.service.context_ring import ContextKeyRing
from assay.service.instances import Instance
from assay.service.keys import KeyChest
from assay.store import SERVICE, AikAuthorityRecord
from assay.token import ContextScope, Purpose, open_context, seal_context
from assay.x509.path import read_certificate, verify_path

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentRequest:
    """The keys of a TPM."""

    ek_certificate: bytes | None
    """DER; nothing where the endorsement key is known to the instance."""

    ek_public: bytes
    """TPMT_PUBLIC."""

    aik_public: bytes
    """TPMT_PUBLIC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What that TPM alone can turn into the secret."""

    credential_blob: bytes
    """TPMS_ID_OBJECT."""

    secret: bytes
    """The encrypted seed."""

    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """The secret, and what it was for."""

    aik_public: bytes
    secret: bytes
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificate:
    """A certificate and its issuer's, in DER."""

    certificate: bytes
    issuer: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmEnrolmentService:
    """Certifies attestation keys for any instance. Methods wait for the database."""

    chest: KeyChest
    ring: ContextKeyRing
    now: Callable[[], datetime]

    def offer(self, instance: Instance, request: EnrolmentRequest) -> Offer:
        """A secret for the TPM of a request.

        Raises:
            MalformedEvidenceError: A key does not parse.
            UntrustedEvidenceError: The endorsement key is nobody's that the instance trusts, or a
                key may do what it must not.
            StoreUnavailableError: The database fails.
        """
        ek, aik = parse_public(request.ek_public), parse_public(request.aik_public)
        check_endorsement_key(ek)
        check_attestation_key(aik)
        at = self.now()
        certificate = self._trusted(instance, ek, request.ek_certificate, at)
        secret = secrets.token_bytes(_SECRET_BYTES)
        credential = make_credential(ek, aik.name, secret, random=secrets.token_bytes)
        members: dict[str, JsonValue] = {
            "aik": aik.name.hex(),
            "secret": hashlib.sha256(secret).hexdigest(),
            "tpm": dict(tpm_names(certificate)),
            "ek": ek.name.hex(),
        }
        context = seal_context(members, self.ring.current(), _scope(instance), at=at)
        return Offer(credential_blob=credential.blob, secret=credential.secret, context=context)

    def activate(self, instance: Instance, activation: Activation) -> IssuedCertificate:
        """A certificate for the attestation key of an offer.

        Raises:
            MalformedEvidenceError: The key does not parse.
            UntrustedEvidenceError: The context is not this instance's or has expired, or the key
                or the secret is not the one of the offer.
            StoreUnavailableError: The database fails.
        """
        at = self.now()
        members = open_context(activation.context, self.ring.find, _scope(instance), at=at)
        aik = parse_public(activation.aik_public)
        digest = hashlib.sha256(activation.secret).hexdigest()
        if not hmac.compare_digest(str(members["secret"]), digest) or not hmac.compare_digest(
            str(members["aik"]), aik.name.hex()
        ):
            raise _refused(
                "tpm.enrolment.secret",
                "the secret and the attestation key of the offer",
                "others",
                "activate the credential in the TPM that it was made for",
            )
        authority = self._authority(instance.definition.name, at)
        names = msgspec.convert(members["tpm"], dict[str, str])
        certificate = issue_aik_certificate(authority, aik.key, names, at=at)
        self.chest.store.audit.add(
            AuditEvent(
                at=at,
                action="aik.certify",
                outcome=AuditOutcome.DONE,
                actor_kind=SERVICE.kind,
                actor_name=SERVICE.name,
                instance=instance.definition.name,
                target=aik.name.hex(),
                details={"endorsement_key": str(members["ek"])},
            )
        )
        return IssuedCertificate(
            certificate=certificate, issuer=authority.certificate.public_bytes(Encoding.DER)
        )

    def _trusted(
        self, instance: Instance, ek: TpmPublic, data: bytes | None, at: datetime
    ) -> x509.Certificate | None:
        """The verified certificate of an endorsement key; nothing where the key alone is known."""
        name = ek.name.hex()
        allowed = self.chest.store.aik_authorities.allowed(instance.definition.name)
        is_known = any(one.name == name for one in allowed)
        if data is None:
            if is_known:
                return None
            raise _refused(
                "tpm.ek.unknown",
                "an endorsement key with a certificate, or one that the instance knows",
                f"one named {name}",
                "assay tpm allow, if this TPM is to be trusted",
            )
        certificate = read_certificate(data, EK_PROFILE)
        if not same_key(ek.key, certificate.public_key()):
            raise _refused(
                f"{EK_PROFILE.check}.key_mismatch",
                "a certificate of the endorsement key",
                "one of another key",
            )
        try:
            verify_path(certificate, EK_PROFILE, anchors=instance.definition.tpm.anchors, at=at)
        except UntrustedEvidenceError:
            if is_known:
                return None
            raise
        return certificate

    def _authority(self, instance: str, at: datetime) -> AikAuthority:
        table = self.chest.store.aik_authorities
        record = table.of(instance)
        if record is None:
            made = create_authority(instance, at=at)
            encoded = made.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            record = table.add(
                AikAuthorityRecord(
                    instance=instance,
                    certificate=made.certificate.public_bytes(Encoding.DER),
                    sealed=self.chest.key_encryption_key.seal(
                        encoded, context=AikAuthorityRecord.seal_context(instance)
                    ),
                    created_at=at,
                )
            )
        return self._open(record)

    def _open(self, record: AikAuthorityRecord) -> AikAuthority:
        key = load_der_private_key(self.chest.open_secret(record.secret), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  it was sealed as one
        return AikAuthority(certificate=x509.load_der_x509_certificate(record.certificate), key=key)


def _scope(instance: Instance) -> ContextScope:
    return ContextScope(purpose=Purpose.ENROLMENT, instance=instance.definition.name)


def _refused(check: str, expected: str, actual: str, hint: str = "") -> UntrustedEvidenceError:
    finding = Finding(check=check, expected=expected, actual=actual, hint=hint)
    return UntrustedEvidenceError(str(finding), findings=[finding])
