"""What became of a change that an instance's owner sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import final

from assay.client.signer import AttestationSigner


class PolicyModification(StrEnum):
    """What was done to a policy."""

    UPDATED = "Updated"
    REMOVED = "Removed"


class CertificateModification(StrEnum):
    """How the list of signers is now."""

    IS_PRESENT = "IsPresent"
    IS_ABSENT = "IsAbsent"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """A policy that was set or reset."""

    resolution: PolicyModification
    signer: AttestationSigner | None = None
    """Who signed what was sent, if anybody did."""

    token_hash: bytes | None = None
    """SHA-256 of the token that was sent; the client has compared it. Nothing after a reset."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCertificatesModificationResult:
    """A signer that was added or removed."""

    resolution: CertificateModification
    thumbprint: str
    """SHA-1 of the certificate in upper-case hexadecimal."""
