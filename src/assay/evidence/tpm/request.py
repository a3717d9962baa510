"""An attestation request as the verification sees it, whichever version of the protocol sent it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TypeAlias

from assay.claims import ClaimValue
from assay.encoding import JsonValue
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.pcrs import PcrValues
from assay.evidence.tpm.request_jws import RequestJws
from assay.evidence.tpm.signature import PublicKey
from assay.evidence.tpm.verify import SignedStructure


@unique
class LogKind(StrEnum):
    """Who wrote a log."""

    TCG = "TCG"
    """Firmware, boot loaders and Windows."""

    IMA = "IMA"
    """Linux's integrity measurement architecture."""


@dataclass(frozen=True, slots=True)
class SentLog:
    """One log, unread."""

    kind: LogKind
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformAttestation:
    """A quote with what it is about."""

    logs: tuple[SentLog, ...]
    """In the order of measurement."""

    aik_certificate: bytes | None
    """DER."""

    aik: PublicKey
    pcrs: PcrValues
    quote: SignedStructure


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteBinding:
    """The key's text is hashed into the qualifying data of the quote."""

    hash: HashAlgorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifyBinding:
    """The key is in the TPM, whose attestation key certifies it."""

    public: bytes
    certification: SignedStructure


KeyBinding: TypeAlias = QuoteBinding | CertifyBinding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundKey:
    """A key of the attester, and what ties it to the platform."""

    text: bytes
    """The JWK exactly as it was sent, which the binding through the quote is over."""

    jwk: Mapping[str, JsonValue]
    key: PublicKey
    binding: KeyBinding


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveEvidence:
    """What a request out of a VBS enclave has besides."""

    report: bytes
    text: bytes
    """`report_signed` exactly as it was sent, which the report vouches for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomClaim:
    """What the client says of itself."""

    name: str
    value: ClaimValue


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmRequest:
    """A parsed request: structure only, nothing verified."""

    jws: RequestJws
    relying_party: str
    relying_party_data: str
    """The relying party's nonce as base64url text; the token repeats it."""

    challenge: bytes
    service_context: str
    current: PlatformAttestation
    boot: PlatformAttestation | None
    """From before the last restart, if there was one."""

    resumed: bool
    """Whether `boot` must be from before a restart: in the first version it is always there."""

    request_key: BoundKey
    other_keys: tuple[BoundKey, ...]
    custom_claims: tuple[CustomClaim, ...]
    enclave: EnclaveEvidence | None
