"""Signing keys as the settings want them kept: the token, what certifies, the own evidence."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, final

from assay.errors import SettingsError
from assay.keys import KeyCustody, KeyEncryptionKey, load_token_pin
from assay.server.settings import KeySettings, Pkcs11Settings, Settings
from assay.server.settings_reader import PREFIX
from assay.service.key_certificates import KeyCertificates
from assay.service.key_schedule import KeySchedule, rotation_period
from assay.service.keys import KeyChest
from assay.store import Store
from assay.token import SigningAuthority

if TYPE_CHECKING:
    from assay.keys.pkcs11 import Pkcs11Token

_SHOWN_CHARACTERS: Final = 200


@contextlib.contextmanager
def key_chest(
    settings: Settings, store: Store, key_encryption_key: KeyEncryptionKey
) -> Iterator[KeyChest]:
    """The chest of a store, with the token that the settings name, where they name one.

    Nothing is asked of the token before it is needed.

    Raises:
        SettingsError: Its library is not installed, or its PIN cannot be read.
    """
    keys = settings.keys
    with _token(settings.pkcs11) as token:
        authority = None
        if token is not None and keys.custody is KeyCustody.DELEGATED:
            label = settings.pkcs11.key or ""
            authority = cache(lambda: SigningAuthority.of(token.labelled_key(label)))
        yield KeyChest(
            store=store,
            key_encryption_key=key_encryption_key,
            custody=keys.custody,
            device=token,
            authority=authority,
            schedule=KeySchedule(
                period=rotation_period(keys.rotation_days),
                overlap=timedelta(hours=keys.overlap_hours),
            ),
            certificates=KeyCertificates(_evidence(keys)),
        )


@contextlib.contextmanager
def _token(settings: Pkcs11Settings) -> Iterator[Pkcs11Token | None]:
    if settings.module is None or settings.token is None:
        yield None
        return
    if find_spec("pkcs11") is None:
        raise SettingsError(
            "pkcs11.module is set, and the library for PKCS #11 is not installed; install Assay "
            "with its extra `pkcs11`"
        )
    # Only here: an extra brings the library along.
    from assay.keys.pkcs11 import Pkcs11Token, TokenAddress  # noqa: PLC0415

    pin = settings.pin
    if pin is None and settings.pin_file is not None:
        pin = load_token_pin(settings.pin_file)
    address = TokenAddress(
        module=settings.module, label=settings.token, pin="" if pin is None else pin.secret
    )
    with contextlib.closing(Pkcs11Token(address)) as token:
        yield token


def _evidence(settings: KeySettings) -> EvidenceCommand | None:
    if not settings.evidence_command:
        return None
    return EvidenceCommand(command=settings.evidence_command, seconds=settings.evidence_seconds)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceCommand:
    """A program that makes the service's own evidence."""

    command: tuple[str, ...]
    seconds: float

    def __call__(self, report_data: bytes) -> bytes:
        """What it prints, given the report data as hexadecimal in its last argument.

        Raises:
            SettingsError: It cannot be run, fails, or takes too long.
        """
        try:
            finished = subprocess.run(  # noqa: S603  the operator's program, without a shell
                [*self.command, report_data.hex()],
                check=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=self.seconds,
                env=_without_settings(os.environ),
            )
        except OSError as error:
            raise self._failed(f"cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"takes longer than {self.seconds:g} seconds") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS]
            raise self._failed(
                f"ended with {error.returncode}: {said or 'it said nothing'}"
            ) from error
        return finished.stdout

    def _failed(self, reason: str) -> SettingsError:
        return SettingsError(
            f"keys.evidence_command: {self.command[0]} {reason}; see to it, or leave the setting "
            "out"
        )


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    # The service's own secrets may be among them, and are no business of that program.
    return {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
