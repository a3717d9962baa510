"""The signing keys of an instance: made, kept, and opened.

Keys stay the same over restarts and over workers, so that tokens stay verifiable.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Self

from assay.errors import SettingsError
from assay.keys import (
    KeyCustody,
    KeyDevice,
    KeyEncryptionKey,
    PublicKey,
    SigningAlgorithm,
    SigningKey,
    generate_key,
    open_key,
    open_reference,
    seal_key,
    seal_reference,
)
from assay.service.instance_options import read_options
from assay.service.instances import InstanceKeys
from assay.service.key_certificates import KeyCertificates
from assay.service.key_schedule import KeySchedule, schedule_of
from assay.store import InstanceRecord, KeyState, SealedSecret, SigningKeyRecord, Store
from assay.token import SigningAuthority, names_issuer

_IDENTIFIER_BYTES: Final = 16

REPORTS: Final = "Tpm"
"""The type of policies whose tokens may outlive all others."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that is wanted."""

    instance: str
    issuer: str
    """The instance's URL, which certificates name."""

    algorithm: SigningAlgorithm
    schedule: KeySchedule

    @classmethod
    def of(cls, record: InstanceRecord, default: KeySchedule, *, reports: bool = False) -> Self:
        """A key for an instance that there is; `reports` as in `schedule_of`.

        Raises:
            SettingsError: Its settings are not ones of this release.
        """
        options = read_options(record.settings, instance=record.name)
        return cls(
            instance=record.name,
            issuer=record.issuer,
            algorithm=options.token_algorithm,
            schedule=schedule_of(options, default, reports=reports),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChest:
    """Where signing keys rest, what opens them, and how new ones are made."""

    store: Store
    key_encryption_key: KeyEncryptionKey
    custody: KeyCustody = KeyCustody.SOFTWARE
    """Of new keys."""

    device: KeyDevice | None = None
    """Where keys of custody `token` are."""

    authority: Callable[[], SigningAuthority] | None = None
    """What certifies keys of custody `delegated`."""

    schedule: KeySchedule = field(default_factory=KeySchedule)
    """Of instances that have none of their own."""

    certificates: KeyCertificates = field(default_factory=KeyCertificates)

    def check(self) -> None:
        """Make sure that new keys can be made, and those in a token be used.

        Raises:
            SettingsError: The token cannot be used, or has no key to certify with.
            SigningUnavailableError: The key to certify with does not sign.
        """
        if self.device is not None:
            self.device.connect()
        if self.custody is KeyCustody.DELEGATED:
            self._authority()

    def wanted(self, record: InstanceRecord) -> NewKey:
        """A key for an instance of the store.

        Raises:
            SettingsError: Its settings are not ones of this release.
        """
        reports = record.name in self.store.policies.instances_with(REPORTS)
        return NewKey.of(record, self.schedule, reports=reports)

    def prepare(self, instance: str, *, at: datetime) -> None:
        """Make sure that an instance has an active key, and that certificates name its URL.

        Processes that do so at once agree on one key.

        Raises:
            UnknownInstanceError: There is no such instance.
            SettingsError: A key cannot be made as the settings ask for it.
            SigningUnavailableError: What certifies keys does not sign.
            StoreUnavailableError: The database cannot do it.
        """
        wanted = self.wanted(self.store.instances.require(instance))
        made: list[SigningKeyRecord] = []

        def create() -> SigningKeyRecord:
            made.append(self.make(wanted, KeyState.ACTIVE, at=at))
            return made[0]

        kept = self.store.signing_keys.get_or_create_active(instance, create)
        for slower in made:
            if slower.kid != kept.kid:
                self.discard(slower)
        if self.authority is None:
            return
        for record in self.store.signing_keys.of(instance):
            if record.certificates and not names_issuer(record.certificates[0], wanted.issuer):
                certified = self._certify(self._open(record), wanted, at)
                self.store.signing_keys.certify(replace(record, certificates=certified), at=at)

    def open_secret(self, secret: SealedSecret) -> bytes:
        """Another secret of the store.

        Raises:
            SettingsError: The key-encryption key did not seal it.
        """
        return self.key_encryption_key.open(secret.sealed, context=secret.context, what=secret.what)

    def open(self, instance: str, records: Sequence[SigningKeyRecord]) -> InstanceKeys:
        """The keys that an instance has in the store.

        Args:
            instance: The instance's name.
            records: All of its keys, oldest first.

        Raises:
            SettingsError: The instance has no active key, the key-encryption key did not seal one
                of its keys, or one is in a token and the settings name none.
        """
        active = [record for record in records if record.state is KeyState.ACTIVE]
        if not active:
            raise SettingsError(
                f"instance {instance!r} has no active signing key; start the server again, which "
                "makes one"
            )
        others = [record for record in records if record.state is not KeyState.ACTIVE]
        keys = tuple(self._open(record) for record in (*active, *others))
        return InstanceKeys(
            active=keys[0],
            published=keys,
            chains={record.kid: record.certificates for record in records if record.certificates},
            certify=self.certificates.certify,
        )

    def make(self, wanted: NewKey, state: KeyState, *, at: datetime) -> SigningKeyRecord:
        """A new key, sealed, that is not in the store yet.

        Raises:
            SettingsError: The token cannot make it, or there is no authority to certify it.
            SigningUnavailableError: The authority does not sign.
        """
        certificates: tuple[bytes, ...] = ()
        if self.custody is KeyCustody.TOKEN:
            key, sealed = self._make_in_token(wanted, at)
        else:
            key = generate_key(wanted.algorithm, created_at=at)
            sealed = seal_key(key, self.key_encryption_key)
        if self.custody is KeyCustody.DELEGATED:
            certificates = self._certify(key, wanted, at)
        return SigningKeyRecord(
            kid=key.kid,
            instance=wanted.instance,
            algorithm=wanted.algorithm,
            sealed=sealed,
            state=state,
            created_at=at,
            custody=self.custody,
            certificates=certificates,
        )

    def discard(self, record: SigningKeyRecord) -> None:
        """Destroy what is left elsewhere of a key that the store does not have (any more).

        Where that cannot be done now, nothing is undone: the log says what is left.
        """
        if record.custody is not KeyCustody.TOKEN:
            return
        try:
            identifier, _ = self._reference(record)
            self._device().destroy(identifier)
        except SettingsError as error:
            _LOG.warning(
                "signing key %s of instance %r, which is gone, is left in its token: %s",
                record.kid,
                record.instance,
                error.message,
            )

    def _make_in_token(self, wanted: NewKey, at: datetime) -> tuple[SigningKey, bytes]:
        device = self._device()
        identifier = secrets.token_bytes(_IDENTIFIER_BYTES)
        public_key = device.generate(
            wanted.algorithm, identifier=identifier, label=f"assay {wanted.instance}"
        )
        key = SigningKey(
            algorithm=wanted.algorithm,
            private_key=device.private_key(public_key, identifier=identifier),
            created_at=at,
        )
        return key, seal_reference(key, identifier, self.key_encryption_key)

    def _certify(self, key: SigningKey, wanted: NewKey, at: datetime) -> tuple[bytes, ...]:
        lifetime = wanted.schedule.certified_for
        return self._authority().certify(key, issuer=wanted.issuer, at=at, lifetime=lifetime)

    def _authority(self) -> SigningAuthority:
        if self.authority is None:
            raise SettingsError(
                "keys.custody is delegated, and there is no key to certify with; name one in "
                "pkcs11.key"
            )
        return self.authority()

    def _open(self, record: SigningKeyRecord) -> SigningKey:
        if record.custody is not KeyCustody.TOKEN:
            return open_key(
                record.sealed,
                self.key_encryption_key,
                kid=record.kid,
                algorithm=record.algorithm,
                created_at=record.created_at,
            )
        identifier, public_key = self._reference(record)
        return SigningKey(
            algorithm=record.algorithm,
            private_key=self._device().private_key(public_key, identifier=identifier),
            created_at=record.created_at,
        )

    def _reference(self, record: SigningKeyRecord) -> tuple[bytes, PublicKey]:
        return open_reference(
            record.sealed, self.key_encryption_key, kid=record.kid, algorithm=record.algorithm
        )

    def _device(self) -> KeyDevice:
        if self.device is None:
            raise SettingsError(
                "a signing key is in a PKCS #11 token, and the settings name none; set "
                "pkcs11.module, pkcs11.token and pkcs11.pin_file"
            )
        return self.device
