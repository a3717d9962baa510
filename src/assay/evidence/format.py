"""What an evidence format is to the rest of Assay: a row of functions, one for each stage.

The type parameters keep the stages apart: what `parse` returns cannot be handed to `claims`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from assay.claims import ClaimSet
from assay.endorsements.platform import DcapPlatform
from assay.evidence.dcap.checks import Check
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification, VerifiedQuote

EvidenceT = TypeVar("EvidenceT")
VerifiedT = TypeVar("VerifiedT", bound=VerifiedQuote[Any])


class AttestationType(StrEnum):
    """The kinds of evidence, as MAA spells them in paths and policy keys."""

    SGX_ENCLAVE = "SgxEnclave"
    OPEN_ENCLAVE = "OpenEnclave"


class BoundFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of evidence that vouch for data sent beside it."""

    report_data: bytes
    """64 bytes; the first 32 may be the SHA-256 of the runtime data."""

    config_id: bytes | None
    """64 bytes fixed at initialisation, or `None` where the enclave has no such field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Generic[EvidenceT, VerifiedT]):
    """One evidence format."""

    attestation_type: AttestationType
    parse: Callable[[bytes], EvidenceT]
    platform: Callable[[EvidenceT], DcapPlatform]
    """Which platform the evidence names, unverified."""

    certified_platform: Callable[[EvidenceT, DcapMemory], DcapPlatform]
    """Which platform its certificate names, verified under the memory's roots."""

    bound_fields: Callable[[EvidenceT], BoundFields]
    verify: Callable[[EvidenceT, DcapVerification], VerifiedT]
    claims: Callable[[VerifiedT, bytes], ClaimSet]
    """From verified evidence and the bytes that were sent."""

    held_data_claims: tuple[str, ...]
    """The claims that binary runtime data becomes."""

    checks: tuple[Check, ...]
