"""What the store keeps, as values. Instants are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, final

from assay.encoding import JsonValue
from assay.keys import KeyCustody, SigningAlgorithm


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
    """Signs no more, and is published until the last token that it signed has expired."""


class PolicyAction(StrEnum):
    """What a change of a policy was."""

    SET = "set"
    RESET = "reset"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who makes a change."""

    name: str
    """As authentication knows them; empty in what an earlier release kept."""

    kind: str = ""
    """How they were recognised."""

    authority: str = ""
    """Who vouches for the name."""

    address: str = ""
    """Where the request came from; empty for the command line."""

    request: str = ""
    """The request's identifier, as in the log."""

    def __str__(self) -> str:
        """All that says who it is, for people."""
        kind = f"{self.kind}: " if self.kind else ""
        authority = f" ({self.authority})" if self.authority else ""
        return f"{kind}{self.name}{authority}"


SERVICE: Final = Author(kind="service", name="assay")
"""Who makes what a server makes of its settings."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """One attestation provider."""

    name: str

    issuer: str
    """Its public URL without a trailing slash; no two instances share one."""

    trust_model: TrustModel
    region: str = ""
    """A label for people and for the management plane."""

    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime | None = None
    """When something of this record changed last; nothing where nothing ever did."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRecord:
    """What the management plane keeps of an instance, beside the instance itself."""

    instance: str
    subscription: str | None = None
    """Where it was put; nothing where it was not made there, and is where the settings say."""

    resource_group: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    """As they were set, by their names on the wire."""

    created_by: Author | None = None
    """Name and kind; nothing where it was made elsewhere."""

    updated_by: Author | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateEndpointRecord:
    """A private endpoint connection of an instance. It is data: nothing is opened or closed."""

    instance: str
    name: str
    status: str
    endpoint: str = ""
    """The resource identifier of the private endpoint, where one was given."""

    description: str = ""
    actions_required: str = ""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceEntry:
    """What finding an instance takes, and telling whether what is known of it is current."""

    name: str
    issuer: str
    revision: int
    """The number of the last change of the instance, its policies, signers or keys.

    Changes of the whole store are numbered in one sequence, so a new instance of an old name has
    another number than the old one ever had.
    """


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """A signing key at rest."""

    kid: str
    instance: str
    algorithm: SigningAlgorithm

    sealed: bytes = field(repr=False)
    """The private key as `assay.keys.seal_key` returned it, or where its token has it."""

    state: KeyState
    created_at: datetime
    """When it was published first, too."""

    activated_at: datetime | None = None
    """When it began to sign; nothing where it never did."""

    retired_at: datetime | None = None
    """When it ceased to."""

    custody: KeyCustody = KeyCustody.SOFTWARE
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    """Its chain in DER, its own first, where somebody else certified it."""

    @property
    def signs_since(self) -> datetime:
        """When it began to sign, or could have."""
        return self.activated_at or self.created_at


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


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SentPolicy:
    """What an owner sent to change a policy."""

    jws: bytes
    """Byte for byte."""

    text_hash: str | None
    """The policy's hash as in `x-ms-policy-hash`; nothing where this is a reset."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """One change of a policy as it happened. Changes are kept for as long as the instance is."""

    instance: str
    attestation_type: str
    version: int
    action: PolicyAction
    jws: bytes | None
    """What the owner sent, also for a reset; nothing where an earlier release did not keep it."""

    text_hash: str | None
    """The hash of the policy's text; nothing for a reset."""

    previous_hash: str | None
    """The same of the policy before; nothing where that was the default."""

    changed_at: datetime
    changed_by: Author


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRecord:
    """A certificate whose key may sign changes of an isolated instance."""

    instance: str
    fingerprint: str
    """SHA-256 of the certificate, lower-case hexadecimal."""

    certificate: bytes = field(repr=False)
    """In DER."""

    added_at: datetime
    added_by: Author


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """A secret at rest that is no signing key."""

    sealed: bytes = field(repr=False)
    context: bytes
    """What the seal is bound to."""

    what: str
    """What it is, for errors."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ContextKeyRecord:
    """A key that seals what callers bring back, at rest."""

    name: str
    sealed: bytes = field(repr=False)
    created_at: datetime

    @staticmethod
    def seal_context(name: str) -> bytes:
        """What the seal of the key of that name is bound to."""
        return b"assay context key\0" + name.encode("ascii")

    @property
    def secret(self) -> SealedSecret:
        """The key, to be opened."""
        return SealedSecret(
            sealed=self.sealed,
            context=self.seal_context(self.name),
            what=f"context key {self.name}",
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AikAuthorityRecord:
    """The authority that certifies attestation keys for an instance, at rest."""

    instance: str
    certificate: bytes
    """In DER."""

    sealed: bytes = field(repr=False)
    created_at: datetime

    @staticmethod
    def seal_context(instance: str) -> bytes:
        """What the seal of that instance's key is bound to."""
        return b"assay aik authority\0" + instance.encode()

    @property
    def secret(self) -> SealedSecret:
        """Its private key in PKCS #8, to be opened."""
        return SealedSecret(
            sealed=self.sealed,
            context=self.seal_context(self.instance),
            what=f"authority for attestation keys of {self.instance!r}",
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EndorsementKeyRecord:
    """An endorsement key whose TPM may enrol."""

    instance: str
    name: str
    """As the TPM names it: algorithm and digest, lower-case hexadecimal."""

    label: str
    """For people."""

    added_at: datetime


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceState:
    """Everything that serving an instance takes, as of one revision or a later one."""

    record: InstanceRecord
    revision: int
    policies: tuple[PolicyRecord, ...]
    signing_keys: tuple[SigningKeyRecord, ...]
    aik_authority: AikAuthorityRecord | None = None
