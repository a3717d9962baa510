"""Records that the tests of the store share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from assay.keys import SigningAlgorithm
from assay.store import (
    Author,
    CollateralRecord,
    InstanceRecord,
    KeyState,
    SignerRecord,
    SigningKeyRecord,
    TrustModel,
)

AT: Final = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
ALICE: Final = Author(name="alice", address="192.0.2.1")

INSTANCE: Final = InstanceRecord(
    name="one",
    issuer="https://one.example",
    trust_model=TrustModel.ISOLATED,
    region="here",
    settings={"tcb_baseline": "azuredefault", "accepted_tcb": ["UpToDate"]},
    tags={"team": "a"},
    created_at=AT,
)
OTHER: Final = InstanceRecord(
    name="another", issuer="https://another.example", trust_model=TrustModel.AAD, created_at=AT
)

KEY: Final = SigningKeyRecord(
    kid="kid-1",
    instance="one",
    algorithm=SigningAlgorithm.RS256,
    sealed=b"\x01sealed\x00\xff",
    state=KeyState.ACTIVE,
    created_at=AT,
)
KEPT: Final = replace(KEY, activated_at=AT)
"""The same as it comes back."""

SIGNER: Final = SignerRecord(
    instance="one",
    fingerprint="aa",
    certificate=b"\x30certificate",
    added_at=AT,
    added_by=ALICE,
)

DOCUMENT: Final = CollateralRecord(
    key="tcb_info/00906ed50000",
    document=b"{}\x00",
    fetched_at=AT,
    expires_at=AT + timedelta(days=30),
)
