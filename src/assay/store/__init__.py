"""What the service keeps: instances, signing keys, policies and the collateral cache."""

from __future__ import annotations

from assay.store.records import (
    CollateralRecord,
    InstanceRecord,
    KeyState,
    PolicyRecord,
    SigningKeyRecord,
    TrustModel,
)
from assay.store.repository import Store

__all__ = [
    "CollateralRecord",
    "InstanceRecord",
    "KeyState",
    "PolicyRecord",
    "SigningKeyRecord",
    "Store",
    "TrustModel",
]
