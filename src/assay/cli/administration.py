"""Administering instances on the store itself, as its operator does."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assay import clock
from assay.audit import AuditEvent, AuditOutcome
from assay.cli.service_start import load_service
from assay.errors import OperationRefusedError, TokenError
from assay.server.assembly import open_chest
from assay.server.settings import Settings
from assay.service.key_rotation import KeyRotation
from assay.service.policies import PolicyService
from assay.service.provisioning import ProvisioningService
from assay.service.signers import SignerService
from assay.store import Author, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalAdministration:
    """The use cases over the store that the settings name."""

    settings: Settings
    store: Store
    provisioning: ProvisioningService
    policies: PolicyService
    signers: SignerService
    rotation: KeyRotation
    author: Author

    @contextlib.contextmanager
    def change(self, action: str, *, instance: str, target: str = "") -> Iterator[None]:
        """A change under way, whose refusal goes into the audit record as the change itself does.

        Args:
            action: What the record calls it.
            instance: Its name.
            target: What of the instance is changed.

        Raises:
            StoreUnavailableError: The refusal cannot be recorded.
        """
        try:
            yield
        except (TokenError, OperationRefusedError) as error:
            event = AuditEvent(
                at=clock.now(),
                action=action,
                outcome=AuditOutcome.REFUSED,
                actor_kind=self.author.kind,
                actor_name=self.author.name,
                instance=instance,
                target=target,
                details={"check": error.findings[0].check} if error.findings else {},
            )
            self.store.audit.add(event)
            raise


@contextlib.contextmanager
def open_administration(settings_file: Path | None) -> Iterator[LocalAdministration]:
    """The store of the service's settings, ready to be changed.

    Raises:
        SettingsError: The settings do not fit, or the web stack is not installed.
        StoreUnavailableError: The database cannot be used.
    """
    settings = load_service(settings_file, {})
    with open_chest(settings) as chest:
        yield LocalAdministration(
            settings=settings,
            store=chest.store,
            provisioning=ProvisioningService(chest=chest, now=clock.now),
            policies=PolicyService(store=chest.store, now=clock.now),
            signers=SignerService(store=chest.store, now=clock.now),
            rotation=KeyRotation(chest=chest, now=clock.now),
            author=Author(kind="operator", name=user_name(os.geteuid())),
        )


def user_name(user: int) -> str:
    """The name of a user, or the number: containers run as users that have no name."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
