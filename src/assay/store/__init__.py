"""What the service keeps: instances, their policies, signers and keys, and the collateral cache."""

from __future__ import annotations

from assay.store.changes import ChangeWatch
from assay.store.engine import PoolLimits, is_sqlite_url
from assay.store.records import (
    SERVICE,
    AikAuthorityRecord,
    Author,
    CollateralRecord,
    ContextKeyRecord,
    EndorsementKeyRecord,
    InstanceEntry,
    InstanceRecord,
    InstanceState,
    KeyState,
    PolicyAction,
    PolicyChange,
    PolicyRecord,
    PrivateEndpointRecord,
    ProviderRecord,
    SentPolicy,
    SignerRecord,
    SigningKeyRecord,
    TrustModel,
)
from assay.store.repository import Store

__all__ = [
    "SERVICE",
    "AikAuthorityRecord",
    "Author",
    "ChangeWatch",
    "CollateralRecord",
    "ContextKeyRecord",
    "EndorsementKeyRecord",
    "InstanceEntry",
    "InstanceRecord",
    "InstanceState",
    "KeyState",
    "PolicyAction",
    "PolicyChange",
    "PolicyRecord",
    "PoolLimits",
    "PrivateEndpointRecord",
    "ProviderRecord",
    "SentPolicy",
    "SignerRecord",
    "SigningKeyRecord",
    "Store",
    "TrustModel",
    "is_sqlite_url",
]
