"""A broker's settings: one TOML file. Unknown names stop the start.

Paths in it are relative to the file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, final

import msgspec
from msgspec import Meta

from assay.errors import AssayError, SettingsError
from assay.keyrelease.context import check_secret_name
from assay.keyrelease.release_policy import ReleasePolicy, read_release_policy
from assay.keyrelease.sealed_secret import SealedSecret

_MAX_BYTES: Final = 1 << 20


class SecretSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One secret, `[secrets.NAME]`."""

    sealed: str
    """The file that it rests in."""

    version: Annotated[int, Meta(ge=1)] = 1
    """To be raised with a new value, so that an old one does not come back."""

    require: dict[str, Any] = msgspec.field(default_factory=dict)
    """Arguments of `require`."""

    claims: dict[str, Any] = msgspec.field(default_factory=dict)
    """Claims by their exact names."""

    policy: str | None = None
    """A file with a policy in the policy language."""


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The broker's own certificate."""

    certificate: str
    key: str


class EvidenceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the certificate of the key that signs tokens must prove, `[service_evidence]`."""

    require: dict[str, Any]
    """Arguments of `require`; a measurement among them."""

    collateral: str
    """A file or a folder of stored collateral, read anew for each verdict."""

    roots: tuple[str, ...] = ()
    """Files with roots to trust in place of Intel's."""

    mandatory: bool = True
    allow_debug: bool = False


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    issuer: str
    """The attestation service, as it stands in `iss`."""

    key_encryption_key_file: str
    """What secrets are sealed with: 32 bytes, or base64 of them."""

    audit_file: str
    secrets: dict[str, SecretSettings]
    key_set_file: str | None = None
    """The service's keys, where they are not to be fetched from it."""

    ca_file: str | None = None
    """Roots to trust in place of the machine's, for the service's TLS."""

    service_evidence: EvidenceSettings | None = None
    pins: tuple[str, ...] = ()
    policy_hashes: frozenset[str] = frozenset()
    allow_simulated: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8090
    tls: TlsSettings | None = None
    challenge_seconds: Annotated[int, Meta(ge=1, le=3600)] = 60
    token_seconds: Annotated[int, Meta(ge=1)] = 300
    """How old a token may be."""

    clock_skew_seconds: Annotated[int, Meta(ge=0, le=300)] = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret with its rules."""

    sealed: SealedSecret
    policy: ReleasePolicy


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFile:
    """Settings, and where they stand."""

    settings: BrokerSettings
    folder: Path

    def path(self, name: str) -> Path:
        """A path of the settings."""
        return self.folder / name

    def secrets(self) -> dict[str, Secret]:
        """The secrets by name.

        Raises:
            SettingsError: One has no fit name or rules, or its policy cannot be read.
        """
        return {name: self._secret(name, one) for name, one in self.settings.secrets.items()}

    def _secret(self, name: str, settings: SecretSettings) -> Secret:
        try:
            check_secret_name(name)
            policy = read_release_policy(
                required=settings.require,
                claims=settings.claims,
                text=None
                if settings.policy is None
                else self.path(settings.policy).read_text(encoding="utf-8"),
            )
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"secrets.{name}: cannot read its policy: {error}") from error
        except AssayError as error:
            raise SettingsError(f"secrets.{name}: {error.message}") from error
        sealed = SealedSecret(
            name=name,
            version=settings.version,
            policy_digest=policy.digest,
            path=self.path(settings.sealed),
        )
        return Secret(sealed=sealed, policy=policy)


def load_broker_file(path: Path) -> BrokerFile:
    """The settings in a file.

    Raises:
        SettingsError: It cannot be read, or a setting is unknown, missing or not fit.
    """
    try:
        with path.open("rb") as file:
            members = tomllib.loads(file.read(_MAX_BYTES).decode("utf-8"))
        settings = msgspec.convert(members, BrokerSettings)
    except OSError as error:
        raise SettingsError(f"{path}: cannot read it: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path}: {error}; see docs/key-release.md") from error
    check_address(settings, path)
    return BrokerFile(settings=settings, folder=path.resolve().parent)


def check_address(settings: BrokerSettings, path: Path) -> None:
    """See that nobody but this machine reaches the broker without TLS.

    Raises:
        SettingsError: Somebody could.
    """
    if settings.tls is None and not _is_this_machine(settings.host):
        raise SettingsError(
            f"{path}: host {settings.host} is an address that others reach; set tls.certificate "
            "and tls.key, since nothing else tells an enclave which broker it speaks to"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
