"""What collateral a platform needs: the key that sources and caches are asked by."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from assay.x509 import TrustAnchor


class Tee(StrEnum):
    """The two trusted execution environments that DCAP covers, as PCS spells them in paths."""

    SGX = "sgx"
    TDX = "tdx"


class PckCa(StrEnum):
    """The certificate authority that issued a PCK certificate, as PCS names it in queries."""

    PROCESSOR = "processor"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class DcapPlatform:
    """The part of a PCK certificate that selects collateral.

    Where it has no anchor it comes from evidence nobody has verified: good for choosing what to
    fetch, nothing else.
    """

    tee: Tee
    fmspc: bytes
    """Family-model-stepping-platform-custom SKU, 6 bytes."""

    pceid: bytes
    """Identifier of the provisioning certification enclave, 2 bytes."""

    ca: PckCa
    anchor: TrustAnchor | None = field(default=None, compare=False)
    """The root that the certificate verifies under, and its collateral has to; not compared, as
    the same set is for the platform whoever has verified it."""
