"""What an operator can set, with its defaults and bounds.

`assay.server.settings_reader` fills it from a file, the environment and flags.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from assay.appraisal import MAA_ACCEPTED_TCB, Compatibility
from assay.endorsements.tcb import TcbStatus
from assay.keys import KeyCustody, KeyEncryptionKey, SigningAlgorithm, TokenPin
from assay.server.auth.settings import AuthSettings
from assay.service.instance_options import (
    MAX_OVERLAP_HOURS,
    MAX_ROTATION_DAYS,
    PolicyExplanations,
)
from assay.service.providers import RESOURCE_GROUP, SUBSCRIPTION
from assay.store import TrustModel

Port: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=3600)]

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB


class Origin(StrEnum):
    """Where a value came from; a later one in this list outranks an earlier one."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


class CollateralKind(StrEnum):
    """Where collateral is gathered from."""

    PCS = "pcs"
    """Intel's provisioning certification service."""

    PCCS = "pccs"
    """A caching service in the data centre; needs `url`."""

    THIM = "thim"
    """The caching service of Azure."""

    PATH = "path"
    """A file or a folder with collateral that was fetched beforehand; needs `path`."""


class PolicyTexts(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A policy for each attestation type, as text."""

    sgx_enclave: str | None = None
    open_enclave: str | None = None
    tpm: str | None = None


class PolicyFiles(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A policy for each attestation type, as a file of UTF-8 text."""

    sgx_enclave: Path | None = None
    open_enclave: Path | None = None
    tpm: Path | None = None


class InstanceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The instance that a server has from its first start; `assay instance create` makes others.

    Requests that name no instance are about this one.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,62}$")] = "default"

    public_url: str | None = None
    """The issuer of its tokens: the URL that clients know it by. Derived from the address if not
    set, which is good on one machine only."""

    trust_model: TrustModel = TrustModel.AAD
    """For its first start: an instance keeps the trust model that it began with."""

    region: Annotated[str, Meta(max_length=64)] | None = None
    token_algorithm: SigningAlgorithm = SigningAlgorithm.RS256
    compatibility: Compatibility = Compatibility.CURRENT
    accepted_tcb: frozenset[TcbStatus] = MAA_ACCEPTED_TCB
    roots: tuple[Path, ...] = ()
    """PEM or DER files of roots that are trusted besides Intel's."""

    expired_collateral_grace_hours: Annotated[float, Meta(ge=0, le=24 * 366)] = 0
    tcb_claims_in_token: bool = False
    policy_explanations: PolicyExplanations = PolicyExplanations.FULL
    """Whether callers learn why the policy refused them, or that it did, as in MAA. The log has
    the reasons either way."""

    tpm_attestation_authentication: bool = True
    """Whether only callers who are known may have TPMs attested and attestation keys certified."""

    tpm_roots: tuple[Path, ...] = ()
    """PEM or DER files of roots of TPMs' certificates that are trusted besides Microsoft's."""

    tpm_intermediates: tuple[Path, ...] = ()
    """The same of authorities below them, which attesters do not send."""

    policies: PolicyTexts = PolicyTexts()
    policy_files: PolicyFiles = PolicyFiles()


class ManagementSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The management plane: making, changing and deleting instances over the network."""

    enabled: bool = False
    attest_uri: str | None = None
    """The URL of an instance that is made there, with `{name}` and, at will, `{location}` in it;
    its name under the URL of the first instance if not set."""

    subscription: Annotated[str, Meta(pattern=rf"^{SUBSCRIPTION}\Z")] = (
        "00000000-0000-0000-0000-000000000000"
    )
    """Where instances are that were not made there."""

    resource_group: Annotated[str, Meta(pattern=rf"^{RESOURCE_GROUP}\Z")] = "assay"
    locations: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9 ]{1,64}\Z")], ...] = ()
    """Where instances can be; anywhere if not set."""


class CollateralSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where collateral comes from."""

    source: CollateralKind = CollateralKind.PCS
    url: str | None = None
    """Base address; of Intel or Azure if not set."""

    path: Path | None = None
    evaluation: (
        Annotated[int, Meta(ge=1, le=10**9)]
        | Annotated[str, Meta(pattern=r"^(standard|early|[1-9][0-9]{0,8})$")]
    ) = "standard"
    """Which TCB evaluation data set: Intel's `standard` or `early` one, or a number."""


class KeySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Signing keys: where new ones are kept, and when they change."""

    custody: KeyCustody = KeyCustody.SOFTWARE
    """Of new keys; those that there are stay where they are until they are changed."""

    rotation_days: Annotated[float, Meta(ge=0, le=MAX_ROTATION_DAYS)] = 90
    """For how long a key signs; 0 where only `assay key rotate` changes it."""

    overlap_hours: Annotated[float, Meta(ge=0, le=MAX_OVERLAP_HOURS)] = 24
    """For how long the next key is published before it signs."""

    evidence_command: tuple[str, ...] = ()
    """Prints the service's own evidence with the report data that it is given."""

    evidence_seconds: Seconds = 30
    """How long it may take."""


class Pkcs11Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The PKCS #11 token that keys are in, or are certified by."""

    module: Path | None = None
    """The shared library of the token's maker."""

    token: str | None = None
    """The token's label."""

    key: str | None = None
    """The label of the key that certifies delegated ones."""

    pin_file: Path | None = None
    pin: TokenPin | None = None
    """From the environment only."""


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may cost, each for one worker. Everything over it is refused by name."""

    body_bytes: Annotated[int, Meta(ge=_KIB, le=64 * _MIB)] = _MIB
    header_bytes: Annotated[int, Meta(ge=_KIB, le=_MIB)] = 32 * _KIB
    """Request line and headers; bearer tokens of large directories reach 16 KiB."""

    json_depth: Annotated[int, Meta(ge=4, le=64)] = 32
    header_seconds: Seconds = 10
    """From the first byte of a request, or the opening of its connection, to its last header."""

    body_seconds: Seconds = 15
    """From the last header to the end of the body; as long an answer waits to be read."""

    idle_seconds: Annotated[int, Meta(ge=1, le=3600)] = 60
    """How long a connection may stay open between two requests."""

    collateral_seconds: Seconds = 20
    """How long a request waits for collateral."""

    shutdown_seconds: Annotated[int, Meta(ge=1, le=3600)] = 30
    """How long requests under way may take when the server is told to stop."""

    requests: Annotated[int, Meta(ge=1, le=65536)] = 256
    """Requests that are worked on at once."""

    connections: Annotated[int, Meta(ge=1, le=65536)] = 1024


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """TLS at this server. Without it, something in front should speak TLS."""

    certificate: Path | None = None
    """PEM, the server's certificate first."""

    key: Path | None = None


def attest_uri(template: str, name: str, location: str) -> str:
    """The URL that `management.attest_uri` gives an instance."""
    return template.replace("{name}", name).replace("{location}", location)


DATABASE_FILE: Final = "assay.sqlite3"
"""In the data directory, unless another database is set."""

KEY_FILE: Final = "key-encryption.key"
"""In the data directory, where no setting names another key-encryption key."""


def default_data_dir(environment: Mapping[str, str] = os.environ, *, dev: bool = False) -> Path:
    """Where data is kept unless set: `assay` in the user's data directory (XDG base directory).

    A development server has `assay-dev`: no key may sign for it and for a server that counts.
    """
    base = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / ("assay-dev" if dev else "assay")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Paths are absolute or relative to the working directory."""

    host: str = "127.0.0.1"
    port: Port = 8080
    """0 takes any free port; the one taken is announced."""

    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    """Processes; one for each core is the most that helps."""

    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    database: str | None = None
    """SQLAlchemy URL; a SQLite file in the data directory if not set."""

    database_connections: Annotated[int, Meta(ge=1, le=256)] = 5
    """The most that one worker holds open."""

    database_seconds: Seconds = 10
    """How long a request waits for a free one."""

    replicas: Annotated[int, Meta(ge=1, le=1024)] = 1
    """How many servers share the database. More than one need PostgreSQL."""

    key_encryption_key_file: Path | None = None
    """What seals signing keys in the database; `key-encryption.key` in the data directory, made
    at the first start, if neither this nor the next is set."""

    key_encryption_key: KeyEncryptionKey | None = None
    """The same as base64, from the environment only."""

    access_log: bool = True
    metrics: bool = False
    """Whether `/metrics` is served, on the same port."""

    dev: bool = False
    simulator: Path | None = None
    """A simulated platform's directory, whose root is trusted; only with `dev`."""

    verify_at: datetime | None = None
    """The instant that evidence is verified at instead of now; only with `dev`."""

    instance: InstanceSettings = InstanceSettings()
    collateral: CollateralSettings = CollateralSettings()
    keys: KeySettings = KeySettings()
    pkcs11: Pkcs11Settings = Pkcs11Settings()
    limits: LimitSettings = LimitSettings()
    tls: TlsSettings = TlsSettings()
    auth: AuthSettings = AuthSettings()
    management: ManagementSettings = ManagementSettings()
    origins: dict[str, Origin] = msgspec.field(default_factory=dict)
    """Of each value by its dotted name; what is not in it is a default."""

    @property
    def scheme(self) -> str:
        """`https` where this server speaks TLS itself."""
        return "http" if self.tls.certificate is None else "https"

    def database_url(self) -> str:
        """The database's URL, derived where it is not set."""
        return self.database or f"sqlite:///{self.data_dir / DATABASE_FILE}"

    def key_file(self) -> Path | None:
        """Where the key-encryption key is; nothing where it is in the environment."""
        if self.key_encryption_key is not None:
            return None
        return self.key_encryption_key_file or self.data_dir / KEY_FILE

    def issuer(self, port: int) -> str:
        """The instance's public URL, derived from address and `port` where it is not set."""
        if self.instance.public_url is not None:
            return self.instance.public_url
        # Nobody can call a wildcard address; from this machine, localhost reaches it.
        host = "localhost" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
