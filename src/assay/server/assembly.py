"""From settings to services: the one place that knows which part is made of which setting."""

from __future__ import annotations

import contextlib
import os
import secrets
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from assay import clock
from assay.appraisal import AppraisalSettings
from assay.endorsements.anchors import Anchors, intel_sgx_anchors, read_anchors
from assay.endorsements.source import EvaluationSelection, OpenSource
from assay.errors import SettingsError
from assay.evidence.format import AttestationType
from assay.keys import KeyEncryptionKey, load_key_encryption_key
from assay.server.app import Services
from assay.server.collateral import open_collateral
from assay.server.settings import DATABASE_FILE, Settings, TlsSettings
from assay.server.simulated import SimulatedSource
from assay.server.telemetry import Telemetry
from assay.service.attestation import AttestationService
from assay.service.instances import InstanceDefinition, create_instance
from assay.service.keys import KeyChest
from assay.simulator import SimulatedPlatform, load_platform
from assay.store import Store

KEY_FILE: Final = "key-encryption.key"
"""In the data directory, where no setting names another key-encryption key."""

_KEY_BYTES: Final = 32
_POLICY_FIELDS: Final = {
    AttestationType.SGX_ENCLAVE: "sgx_enclave",
    AttestationType.OPEN_ENCLAVE: "open_enclave",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What both preparing and opening need."""

    chest: KeyChest
    definition: InstanceDefinition
    platform: SimulatedPlatform | None


def prepare(settings: Settings, *, port: int) -> None:
    """Do once what workers rely on: the data directory, the schema, the signing key.

    Raises:
        SettingsError: A setting names what is not there or not fit.
        StoreUnavailableError: The database cannot be used.
    """
    _check_tls(settings.tls)
    with _parts(settings, port) as parts:
        parts.chest.store.upgrade()
        parts.chest.prepare(parts.definition, settings.instance.token_algorithm, at=clock.now())
        # Whatever a worker would stumble over stops the start instead.
        create_instance(parts.definition, parts.chest.open(parts.definition.name))
        if parts.platform is None:
            _open_collateral(settings, parts.chest.store)


def open_services(settings: Settings, telemetry: Telemetry, *, port: int) -> Services:
    """The services of settings that `prepare` has seen.

    Raises:
        SettingsError: A setting names what is not there or not fit.
        StoreUnavailableError: The database cannot be used.
    """
    with contextlib.ExitStack() as stack:
        parts = stack.enter_context(_parts(settings, port))
        instance = create_instance(parts.definition, parts.chest.open(parts.definition.name))
        source = _source(settings, parts)
        return Services(
            instance=instance,
            attestation=AttestationService(
                source=source,
                now=clock.now,
                verify_at=settings.verify_at,
            ),
            store=parts.chest.store,
            collateral=source.name,
            telemetry=telemetry,
            limits=settings.limits,
            close=_Closing(source=source, rest=stack.pop_all()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closing:
    source: OpenSource
    rest: contextlib.ExitStack

    async def __call__(self) -> None:
        """Let go of everything."""
        with self.rest:
            await self.source.close()


@contextlib.contextmanager
def _parts(settings: Settings, port: int) -> Iterator[_Parts]:
    _make_data_dir(settings.data_dir)
    key = _key_encryption_key(settings)
    platform = None if settings.simulator is None else load_platform(settings.simulator)
    definition = _definition(settings, platform, port)
    store = Store.open(settings.database_url())
    try:
        yield _Parts(
            chest=KeyChest(store=store, key_encryption_key=key),
            definition=definition,
            platform=platform,
        )
    finally:
        store.close()


def _check_tls(tls: TlsSettings) -> None:
    if tls.certificate is None or tls.key is None:
        return
    try:
        # Without a password at hand, OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            tls.certificate, tls.key, password=lambda: b""
        )
    except OSError as error:
        # OpenSSL does not say which of the two it means.
        raise SettingsError(
            f"tls.certificate {tls.certificate} and tls.key {tls.key} cannot be used: "
            f"{error.strerror}; name two PEM files that belong together and that the service's "
            "user may read, the key without a password"
        ) from error


def _source(settings: Settings, parts: _Parts) -> OpenSource:
    if parts.platform is None:
        return _open_collateral(settings, parts.chest.store)
    at = settings.verify_at
    # A platform that does not exist can say today what it would have said at any time.
    return SimulatedSource(parts.platform, clock.now if at is None else lambda: at)


def _open_collateral(settings: Settings, store: Store) -> OpenSource:
    seconds = settings.limits.collateral_seconds
    return open_collateral(settings.collateral, store, wait_seconds=seconds)


def _definition(
    settings: Settings, platform: SimulatedPlatform | None, port: int
) -> InstanceDefinition:
    chosen = settings.instance
    return InstanceDefinition(
        name=chosen.name,
        issuer=settings.issuer(port),
        trust_model=chosen.trust_model,
        appraisal=AppraisalSettings(
            accepted_tcb=chosen.accepted_tcb,
            compatibility=chosen.compatibility,
            tcb_claims_in_token=chosen.tcb_claims_in_token,
            expired_collateral_grace=timedelta(hours=chosen.expired_collateral_grace_hours),
        ),
        roots=_roots(chosen.roots, platform),
        evaluation=EvaluationSelection.parse(str(settings.collateral.evaluation)),
        policy_explanations=chosen.policy_explanations,
        policies=_policies(settings),
    )


def _roots(paths: tuple[Path, ...], platform: SimulatedPlatform | None) -> Anchors:
    extra = read_anchors(_read(path, "instance.roots") for path in paths)
    simulated = () if platform is None else platform.anchors
    return (*intel_sgx_anchors(), *extra, *simulated)


def _policies(settings: Settings) -> Mapping[AttestationType, str]:
    chosen = settings.instance
    found: dict[AttestationType, str] = {}
    for kind, field in _POLICY_FIELDS.items():
        text: str | None = getattr(chosen.policies, field)
        path: Path | None = getattr(chosen.policy_files, field)
        if path is not None:
            text = _read_text(path, f"instance.policy_files.{kind}")
        if text is not None:
            found[kind] = text
    return found


def _read_text(path: Path, setting: str) -> str:
    try:
        return _read(path, setting).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{setting}: {path} is not UTF-8 text: wrong at byte {error.start}; save it as UTF-8"
        ) from error


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{setting}: cannot read {path}: {error.strerror}; correct the path or its permissions"
        ) from error


def _make_data_dir(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"data_dir: cannot make {folder}: {error.strerror}; set data_dir to a directory that "
            "the service's user may write to"
        ) from error


def _key_encryption_key(settings: Settings) -> KeyEncryptionKey:
    if settings.key_encryption_key is not None:
        return settings.key_encryption_key
    if settings.key_encryption_key_file is not None:
        return load_key_encryption_key(settings.key_encryption_key_file)
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        # The key is made before the database: where only that is left, a new key opens nothing.
        if (settings.data_dir / DATABASE_FILE).exists():
            raise SettingsError(
                f"{path} is gone, and the database beside it holds what it sealed; restore it from "
                "a backup, or name the key in key_encryption_key_file"
            )
        _make_key_file(path)
    return load_key_encryption_key(path)


def _make_key_file(path: Path) -> None:
    """Make a key file that is there as a whole or not at all, whoever else tries to."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            os.fsync(descriptor)
        # Fails where another process has been faster, and then its key is the one.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    except OSError as error:
        raise SettingsError(
            f"data_dir: cannot write {path}: {error.strerror}; make the directory writable, or "
            "name a key in key_encryption_key_file"
        ) from error
