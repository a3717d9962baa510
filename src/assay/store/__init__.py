"""What the service keeps: instances, their policies, signers and keys, and the collateral cache."""

from __future__ import annotations

from assay.store.changes import ChangeWatch
from assay.store.engine import PoolLimits, is_sqlite_url, sqlite_file, without_password
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
    SealedSecret,
    SentPolicy,
    SignerRecord,
    SigningKeyRecord,
    TrustModel,
)
from assay.store.repository import Store
from assay.store.schema import HEAD
from assay.store.snapshot import KeptPolicy, StoreSnapshot

__all__ = [
    "HEAD",
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
    "KeptPolicy",
    "KeyState",
    "PolicyAction",
    "PolicyChange",
    "PolicyRecord",
    "PoolLimits",
    "PrivateEndpointRecord",
    "ProviderRecord",
    "SealedSecret",
    "SentPolicy",
    "SignerRecord",
    "SigningKeyRecord",
    "Store",
    "StoreSnapshot",
    "TrustModel",
    "is_sqlite_url",
    "sqlite_file",
    "without_password",
]
