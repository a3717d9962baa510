"""What the store keeps, as values. Instants are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import final

from assay.encoding import JsonValue
from assay.keys import SigningAlgorithm


class TrustModel(StrEnum):
    """Who may change an instance's policies; the names of the original service."""

    AAD = "AAD"
    ISOLATED = "Isolated"
    SHARED = "Shared"


class KeyState(StrEnum):
    """Where a signing key stands in its life."""

    PREPARED = "prepared"
    """Published, so that relying parties know it before the first token of it."""

    ACTIVE = "active"
    """Signs. An instance has at most one."""

    RETIRED = "retired"
    """Published until the last token that it signed has expired."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """One attestation provider."""

    name: str

    issuer: str
    """Its public URL without a trailing slash; no two instances share one."""

    trust_model: TrustModel
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    created_at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """A signing key at rest."""

    kid: str
    instance: str
    algorithm: SigningAlgorithm

    sealed: bytes = field(repr=False)
    """The private key as `assay.keys.seal_key` returned it."""

    state: KeyState
    created_at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralRecord:
    """One collateral document as fetched. Keeping it verifies nothing."""

    key: str
    document: bytes = field(repr=False)
    fetched_at: datetime
    expires_at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRecord:
    """The policy of an instance for one attestation type, as last set or reset."""

    instance: str
    attestation_type: str

    jws: bytes | None
    """What the owner sent, byte for byte; nothing after a reset, when the default applies."""

    text_hash: str | None
    """The policy's hash as in `x-ms-policy-hash`; nothing after a reset."""

    version: int
    """1 at the first change, one more at each; never taken back, so that a cache can rely on it."""

    changed_at: datetime
