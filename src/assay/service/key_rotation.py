"""The use cases about signing keys: change them, by hand or because it is time.

Of several processes that find the same step due, one makes it: each is checked again under the
lock of changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from assay.errors import OperationRefusedError, SettingsError
from assay.service.key_schedule import LEAD, KeyAction, KeyStep
from assay.service.keys import KeyChest
from assay.store import SERVICE, Author, InstanceRecord, KeyState, SigningKeyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReplacement:
    """What has taken the place of all keys of an instance."""

    key: SigningKeyRecord
    dropped: tuple[SigningKeyRecord, ...]
    """Their tokens verify no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotation:
    """Changes the keys of instances. Methods raise `StoreUnavailableError`, too."""

    chest: KeyChest
    now: Callable[[], datetime]

    def rotate(self, instance: str, *, by: Author) -> SigningKeyRecord:
        """Publish a successor, which signs once the overlap has passed and a server runs.

        Raises:
            UnknownInstanceError: There is no such instance.
            OperationRefusedError: It has a successor already.
            SettingsError: A key cannot be made as the settings ask for it.
            SigningUnavailableError: What certifies keys does not sign.
        """
        record = self.chest.store.instances.require(instance)
        made = self._prepare(record, self._active(instance).kid, by=by)
        if made is None:
            raise OperationRefusedError(
                f"instance {instance!r} has a prepared key already, which signs when its overlap "
                "has passed; `assay key list` shows when. If the present keys cannot be trusted, "
                "use --now"
            )
        return made

    def replace(
        self, instance: str, *, by: Author, wait: Callable[[float], object]
    ) -> KeyReplacement:
        """Let a new key sign as soon as every server publishes it, and drop all others.

        Args:
            instance: The instance's name.
            by: Who does it.
            wait: Returns after so many seconds.

        Raises:
            UnknownInstanceError: There is no such instance.
            OperationRefusedError: Somebody else changed its keys meanwhile.
            SettingsError: A key cannot be made as the settings ask for it.
            SigningUnavailableError: What certifies keys does not sign.
        """
        record = self.chest.store.instances.require(instance)
        keys = self.chest.store.signing_keys
        # Who knows the present keys may know the one that is waiting, too.
        for waiting in keys.of(instance):
            if waiting.state is KeyState.PREPARED:
                self._remove(waiting, by=by)
        made = self._prepare(record, self._active(instance).kid, by=by)
        if made is None:
            raise _raced(instance)
        wait(LEAD.total_seconds())
        dropped = tuple(key for key in keys.of(instance) if key.kid != made.kid)
        if not keys.activate(instance, made.kid, at=self.now(), by=by, drop_others=True):
            raise _raced(instance)
        for key in dropped:
            self.chest.discard(key)
        return KeyReplacement(key=self._active(instance), dropped=dropped)

    def take(self, record: InstanceRecord, step: KeyStep) -> bool:
        """Make a step that is due; whether it was still to be made.

        Raises:
            SettingsError: A key cannot be made as the settings ask for it.
            SigningUnavailableError: What certifies keys does not sign.
        """
        keys = self.chest.store.signing_keys
        match step.action:
            case KeyAction.PREPARE:
                return self._prepare(record, step.kid, by=SERVICE) is not None
            case KeyAction.ACTIVATE:
                return keys.activate(record.name, step.kid, at=self.now())
            case KeyAction.REMOVE:
                return any(
                    self._remove(key, by=SERVICE)
                    for key in keys.of(record.name)
                    if key.kid == step.kid
                )

    def _active(self, instance: str) -> SigningKeyRecord:
        active = self.chest.store.signing_keys.active(instance)
        if active is None:
            raise SettingsError(
                f"instance {instance!r} has no active signing key; start the server, which makes "
                "one"
            )
        return active

    def _prepare(
        self, record: InstanceRecord, after: str, *, by: Author
    ) -> SigningKeyRecord | None:
        wanted = self.chest.wanted(record)
        made = self.chest.make(wanted, KeyState.PREPARED, at=self.now())
        if self.chest.store.signing_keys.prepare(made, after=after, by=by):
            return made
        self.chest.discard(made)
        return None

    def _remove(self, key: SigningKeyRecord, *, by: Author) -> bool:
        removed = self.chest.store.signing_keys.remove(key.instance, key.kid, at=self.now(), by=by)
        if removed:
            self.chest.discard(key)
        return removed


def _raced(instance: str) -> OperationRefusedError:
    return OperationRefusedError(
        f"somebody else changed the keys of instance {instance!r} at the same moment; look with "
        "`assay key list`, and repeat it"
    )
