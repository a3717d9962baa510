"""A simulated platform whose keys are always the same, so that kept inputs stay interesting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from assay.simulator import SimulatedPlatform
from assay.simulator.pki import Authority, PrivateKey, SimulatedPki
from assay.simulator.sgx import describe_platform, issue_pck

AT: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)


def _key(number: int) -> PrivateKey:
    return ec.derive_private_key(number, ec.SECP256R1())


def _platform() -> SimulatedPlatform:
    settings = describe_platform(AT)
    pki = SimulatedPki.from_keys(
        AT, {authority: _key(number) for number, authority in enumerate(Authority, start=1)}
    )
    return SimulatedPlatform(
        settings=settings, pki=pki, pck=issue_pck(settings, pki, _key(8)), attestation_key=_key(9)
    )


PLATFORM: Final = _platform()
