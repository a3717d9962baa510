"""The signing keys of an instance: loaded, or made at the first start.

Keys stay the same over restarts and over workers, so that tokens stay verifiable. When the
instance's algorithm changes, a new key signs and the old one is still published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from assay.errors import SettingsError
from assay.keys import (
    KeyEncryptionKey,
    SigningAlgorithm,
    SigningKey,
    generate_key,
    open_key,
    seal_key,
)
from assay.service.instances import InstanceKeys
from assay.store import KeyState, SigningKeyRecord, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChest:
    """Where signing keys rest, and what opens them."""

    store: Store
    key_encryption_key: KeyEncryptionKey

    def prepare(self, instance: str, algorithm: SigningAlgorithm, *, at: datetime) -> None:
        """Make sure that an instance has an active key of `algorithm`.

        Processes that do so at once agree on one key.

        Raises:
            SettingsError: There is no such instance.
            StoreUnavailableError: The database cannot do it.
        """
        keys = self.store.signing_keys
        record = keys.get_or_create_active(
            instance, lambda: self.make(instance, algorithm, KeyState.ACTIVE, at=at)
        )
        if record.algorithm is not algorithm:
            successor = keys.add(self.make(instance, algorithm, KeyState.PREPARED, at=at))
            keys.activate(instance, successor.kid, at=at)

    def open(self, instance: str, records: Sequence[SigningKeyRecord]) -> InstanceKeys:
        """The keys that an instance has in the store.

        Args:
            instance: The instance's name.
            records: All of its keys, oldest first.

        Raises:
            SettingsError: The instance has no active key, or the key-encryption key did not seal
                one of its keys.
        """
        active = [record for record in records if record.state is KeyState.ACTIVE]
        if not active:
            raise SettingsError(
                f"instance {instance!r} has no active signing key; start the server again, which "
                "makes one"
            )
        others = [record for record in records if record.state is not KeyState.ACTIVE]
        keys = tuple(self._open(record) for record in (*active, *others))
        return InstanceKeys(active=keys[0], published=keys)

    def make(
        self, instance: str, algorithm: SigningAlgorithm, state: KeyState, *, at: datetime
    ) -> SigningKeyRecord:
        """A new key, sealed, that is not in the store yet."""
        key = generate_key(algorithm, created_at=at)
        return SigningKeyRecord(
            kid=key.kid,
            instance=instance,
            algorithm=algorithm,
            sealed=seal_key(key, self.key_encryption_key),
            state=state,
            created_at=at,
        )

    def _open(self, record: SigningKeyRecord) -> SigningKey:
        return open_key(
            record.sealed,
            self.key_encryption_key,
            kid=record.kid,
            algorithm=record.algorithm,
            created_at=record.created_at,
        )
