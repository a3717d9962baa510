"""From settings to services: the one place that knows which part is made of which setting."""

from __future__ import annotations

import contextlib
import os
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from assay import clock
from assay.endorsements.source import EvaluationSelection, OpenSource
from assay.errors import SettingsError, StoreUnavailableError
from assay.keys import KeyEncryptionKey, load_key_encryption_key
from assay.server.app import Services
from assay.server.arm.operations import ArmOffer
from assay.server.arm.plane import Management
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.authorizer import Authorizer
from assay.server.auth.peer_certificate import trust_client_authorities
from assay.server.auth.settings_check import check_start
from assay.server.collateral import open_collateral
from assay.server.first_instance import keep_instance
from assay.server.maa.administration import Administration
from assay.server.maa.tpm import TpmServices
from assay.server.presence import is_there
from assay.server.settings import DATABASE_FILE, KEY_FILE, Settings, TlsSettings, attest_uri
from assay.server.signing_keys import key_chest
from assay.server.simulated import SimulatedSource
from assay.server.telemetry import Telemetry
from assay.service.attestation import AttestationService
from assay.service.context_ring import AnsweredChallenges, ContextKeyRing
from assay.service.instance_options import InstanceOptions
from assay.service.instances import (
    Instance,
    SharedMemories,
    Surroundings,
    create_instance,
    define_instance,
)
from assay.service.key_keeper import KeyKeeper, KeyKeeping
from assay.service.key_rotation import KeyRotation
from assay.service.keys import KeyChest
from assay.service.policies import PolicyService
from assay.service.providers import Home, NewProviders, ProviderService
from assay.service.provisioning import ProvisioningService
from assay.service.refusals import RefusalRecord
from assay.service.registry import InstanceRegistry
from assay.service.signers import SignerService
from assay.service.tpm_attestation import TpmAttestationService
from assay.service.tpm_enrolment import TpmEnrolmentService
from assay.simulator import SimulatedPlatform, load_platform
from assay.store import InstanceState, PoolLimits, Store, sqlite_file

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What both preparing and opening need."""

    chest: KeyChest
    surroundings: Surroundings
    platform: SimulatedPlatform | None
    memories: SharedMemories = field(default_factory=SharedMemories)

    def load(self, state: InstanceState) -> Instance:
        """The instance of a state, ready to attest."""
        keys = self.chest.open(state.record.name, state.signing_keys)
        definition = define_instance(state.record, self.surroundings)
        authority = state.aik_authority
        return create_instance(
            definition,
            keys,
            state.policies,
            aik_authority=None if authority is None else authority.certificate,
            memories=self.memories,
        )


def prepare(settings: Settings, *, port: int) -> None:
    """Do once what workers rely on: the data directory, the schema, the instance, its signing key.

    Raises:
        SettingsError: A setting names what is not there or not fit.
        StoreUnavailableError: The database cannot be used.
    """
    check_tls(settings.tls, settings.auth.client_certificates.ca_file)
    with _parts(settings) as parts:
        store, name = parts.chest.store, settings.instance.name
        store.upgrade()
        has_api_tokens = store.api_tokens.any_valid(at=clock.now())
        check_start(settings.auth, host=settings.host, has_api_tokens=has_api_tokens)
        keep_instance(settings, store, port=port, at=clock.now())
        parts.chest.check()
        parts.chest.prepare(name, at=clock.now())
        # Whatever a worker would stumble over stops the start instead.
        parts.load(store.instances.state(name))
        _open_authorizer(settings, store)
        if parts.platform is None:
            _open_collateral(settings, store)


def open_services(settings: Settings, telemetry: Telemetry) -> Services:
    """The services of settings that `prepare` has seen.

    Raises:
        SettingsError: A setting names what is not there or not fit.
        StoreUnavailableError: The database cannot be used.
    """
    with contextlib.ExitStack() as stack:
        parts = stack.enter_context(_parts(settings))
        store = parts.chest.store
        store.check()
        registry = InstanceRegistry(store, parts.load)
        stack.callback(registry.close)
        registry.start()
        keeping = KeyKeeping(KeyKeeper(KeyRotation(chest=parts.chest, now=clock.now)))
        stack.callback(keeping.close)
        keeping.start()
        authorizer = _open_authorizer(settings, store)
        refusals = RefusalRecord(store, clock.now)
        source = _source(settings, parts)
        ring = ContextKeyRing(parts.chest, clock.now)
        return Services(
            instances=registry,
            default_instance=settings.instance.name,
            administration=Administration(
                policies=PolicyService(store=store, now=clock.now),
                signers=SignerService(store=store, now=clock.now),
                authorizer=authorizer,
                refusals=refusals,
            ),
            management=Management(
                offer=_offer(settings, parts),
                authorizer=authorizer,
                refusals=refusals,
                instances=registry,
            )
            if settings.management.enabled
            else None,
            tpm=TpmServices(
                attestation=TpmAttestationService(
                    ring=ring, answered=AnsweredChallenges(), now=clock.now
                ),
                enrolment=TpmEnrolmentService(chest=parts.chest, ring=ring, now=clock.now),
                authorizer=authorizer,
            ),
            attestation=AttestationService(
                source=source, now=clock.now, verify_at=settings.verify_at
            ),
            store=store,
            collateral=source.name,
            telemetry=telemetry,
            limits=settings.limits,
            close=_Closing(source=source, authorizer=authorizer, rest=stack.pop_all()),
        )


@contextlib.contextmanager
def open_chest(settings: Settings, *, upgrade: bool = True) -> Iterator[KeyChest]:
    """The store with its keys, without a server around it.

    Args:
        settings: What names them; what is not there yet is made.
        upgrade: Whether to bring the schema up to date.

    Raises:
        SettingsError: A setting names what is not there or not fit.
        StoreUnavailableError: The database cannot be used.
    """
    with _key_chest(settings) as chest:
        if upgrade:
            chest.store.upgrade()
        yield chest


@contextlib.contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The store as it is: nothing is made, nothing upgraded.

    Raises:
        SettingsError: The database's URL is of no use.
        StoreUnavailableError: There is no database yet, or it cannot be used.
    """
    url = settings.database_url()
    file = sqlite_file(url)
    if file is not None and not (is_there(file) and file.is_file()):
        raise StoreUnavailableError(
            f"there is no database {file}; the first start of the service makes it, and so does "
            "`assay db upgrade`"
        )
    with contextlib.closing(Store.open(url, pool=_pool(settings))) as store:
        yield store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closing:
    source: OpenSource
    authorizer: Authorizer
    rest: contextlib.ExitStack

    async def __call__(self) -> None:
        """Let go of everything."""
        with self.rest:
            try:
                await self.authorizer.close()
            finally:
                await self.source.close()


@contextlib.contextmanager
def _parts(settings: Settings) -> Iterator[_Parts]:
    platform = None if settings.simulator is None else load_platform(settings.simulator)
    with _key_chest(settings) as chest:
        yield _Parts(
            chest=chest,
            surroundings=Surroundings(
                evaluation=EvaluationSelection.parse(str(settings.collateral.evaluation)),
                simulated=None if platform is None else platform.anchors,
            ),
            platform=platform,
        )


@contextlib.contextmanager
def _key_chest(settings: Settings) -> Iterator[KeyChest]:
    _make_data_dir(settings.data_dir)
    key = _key_encryption_key(settings)
    with (
        contextlib.closing(Store.open(settings.database_url(), pool=_pool(settings))) as store,
        key_chest(settings, store, key) as chest,
    ):
        yield chest


def _offer(settings: Settings, parts: _Parts) -> ArmOffer:
    """What the management plane works on."""
    chosen, kept = settings.management, settings.instance.name
    # Its URL is settled when the port is known, before the first worker starts.
    first = parts.chest.store.instances.require(kept).issuer
    template = chosen.attest_uri or f"{first}/{{name}}"
    providers = ProviderService(
        provisioning=ProvisioningService(chest=parts.chest, now=clock.now),
        home=Home(
            subscription=chosen.subscription,
            resource_group=chosen.resource_group,
            location=chosen.locations[0] if chosen.locations else "local",
        ),
        new=NewProviders(
            issuer=lambda name, location: attest_uri(template, name, location),
            options=InstanceOptions(simulator=parts.platform is not None),
            kept=kept,
        ),
        check=lambda record: define_instance(record, parts.surroundings),
    )
    return ArmOffer(providers=providers, locations=chosen.locations)


def _pool(settings: Settings) -> PoolLimits:
    return PoolLimits(connections=settings.database_connections, seconds=settings.database_seconds)


def check_tls(tls: TlsSettings, client_authorities: Path | None) -> None:
    """Check that TLS can be spoken with the files that the settings name.

    Raises:
        SettingsError: A file cannot be read, or certificate and key do not belong together.
    """
    if tls.certificate is None or tls.key is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if client_authorities is not None:
        trust_client_authorities(context, client_authorities)
    try:
        # Without a password at hand, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
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


def _open_authorizer(settings: Settings, store: Store) -> Authorizer:
    return open_authorizer(
        settings.auth, api_tokens=store.api_tokens, dev=settings.dev, now=clock.now
    )


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
    if not is_there(path):
        # The key is made before the database: where only that is left, a new key opens nothing.
        if is_there(settings.data_dir / DATABASE_FILE):
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
