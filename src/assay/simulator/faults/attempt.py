"""What a fault is: a change of exactly one thing, and the finding that it has to cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from assay.appraisal.bindings import HeldData
from assay.endorsements.anchors import Anchors
from assay.endorsements.collateral import DcapCollateral
from assay.evidence.format import AttestationType
from assay.simulator.quote import QuoteDraft, QuoteParts
from assay.simulator.sgx import SimulatedPlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One verification: all that a verifier is given."""

    evidence: bytes
    collateral: DcapCollateral
    at: datetime
    roots: Anchors
    evidence_type: AttestationType = AttestationType.SGX_ENCLAVE
    runtime_data: HeldData | None = None
    init_time_data: HeldData | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A named defect."""

    name: str
    description: str
    check: str
    """Code of the finding that a verifier must report."""

    apply: Callable[[SimulatedPlatform], Attempt]
    """The attempt with this defect, and everything around it signed anew."""


def attempt(
    platform: SimulatedPlatform,
    *,
    evidence: bytes | None = None,
    collateral: DcapCollateral | None = None,
    roots: Anchors | None = None,
) -> Attempt:
    """An attempt on `platform` at the moment it was made; without a defect by default."""
    at = platform.settings.created_at
    return Attempt(
        evidence=platform.quote() if evidence is None else evidence,
        collateral=platform.collateral(at) if collateral is None else collateral,
        at=at,
        roots=platform.anchors if roots is None else roots,
    )


def with_parts(
    edit: Callable[[SimulatedPlatform, QuoteParts], QuoteParts], *, version: int = 3
) -> Callable[[SimulatedPlatform], Attempt]:
    """Change a quote after it was signed."""

    def apply(platform: SimulatedPlatform) -> Attempt:
        parts = platform.draft(version=version).sign()
        return attempt(platform, evidence=edit(platform, parts).encode())

    return apply


def with_draft(
    edit: Callable[[SimulatedPlatform, QuoteDraft], QuoteDraft], *, version: int = 3
) -> Callable[[SimulatedPlatform], Attempt]:
    """Change a quote before it is signed."""
    return lambda platform: attempt(
        platform, evidence=edit(platform, platform.draft(version=version)).sign().encode()
    )


def with_fields(*, version: int = 3, **changes: Any) -> Callable[[SimulatedPlatform], Attempt]:  # noqa: ANN401  fields of QuoteParts
    """Replace fields of a signed quote."""
    return with_parts(lambda _, parts: replace(parts, **changes), version=version)


def with_edit(
    edit: Callable[[QuoteParts], QuoteParts], *, version: int = 3
) -> Callable[[SimulatedPlatform], Attempt]:
    """Change a signed quote by itself."""
    return with_parts(lambda _, parts: edit(parts), version=version)


def with_collateral(
    edit: Callable[[SimulatedPlatform, DcapCollateral], DcapCollateral],
) -> Callable[[SimulatedPlatform], Attempt]:
    """Change the collateral of a platform."""

    def apply(platform: SimulatedPlatform) -> Attempt:
        collateral = platform.collateral(platform.settings.created_at)
        return attempt(platform, collateral=edit(platform, collateral))

    return apply


def with_platform(
    edit: Callable[[SimulatedPlatform], SimulatedPlatform],
) -> Callable[[SimulatedPlatform], Attempt]:
    """Make quote and collateral on a changed platform."""
    return lambda platform: attempt(edit(platform))


def with_pck_chain(
    edit: Callable[[SimulatedPlatform], bytes],
) -> Callable[[SimulatedPlatform], Attempt]:
    """Replace the certification data of a quote, which no signature covers."""
    return with_parts(lambda platform, parts: replace(parts, certification_data=edit(platform)))


def flip(data: bytes, index: int = -1) -> bytes:
    """`data` with the lowest bit of one byte inverted."""
    changed = bytearray(data)
    changed[index] ^= 1
    return bytes(changed)


def lookalike(platform: SimulatedPlatform) -> SimulatedPlatform:
    """The same settings and names under other keys: what anybody can make."""
    return SimulatedPlatform.from_settings(platform.settings)
