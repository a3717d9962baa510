"""The database and the signing keys in it, as they are: nothing is made, nothing upgraded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from assay.errors import SettingsError
from assay.server.assembly import open_chest, open_store
from assay.server.presence import is_there
from assay.server.settings import Settings
from assay.service.checkup import CheckResult
from assay.service.store_check import KeyOpener, check_store
from assay.store import SealedSecret, SigningKeyRecord


def check_database(settings: Settings) -> tuple[CheckResult, ...]:
    """Look over all that the database of the settings keeps.

    Raises:
        SettingsError: The database's URL is of no use.
        StoreUnavailableError: There is no database, or it cannot be used at all.
    """
    with (
        open_store(settings) as store,
        key_opener(settings) as opener,
        store.snapshot() as snapshot,
    ):
        return check_store(snapshot, opener)


@contextlib.contextmanager
def key_opener(settings: Settings) -> Iterator[KeyOpener]:
    """What opens keys; where the key-encryption key is missing, what says so."""
    with contextlib.ExitStack() as stack:
        try:
            _check_key_file(settings)
            found: KeyOpener = stack.enter_context(open_chest(settings, upgrade=False))
        except SettingsError as error:
            found = _Refusing(error)
        yield found


def _check_key_file(settings: Settings) -> None:
    file = settings.key_file()
    if file is not None and not is_there(file):
        # Opening would make one.
        raise SettingsError(
            f"there is no key-encryption key {file}; restore it from a backup, or name another in "
            "key_encryption_key_file"
        )


@dataclass(frozen=True, slots=True)
class _Refusing:
    error: SettingsError

    def open(self, _instance: str, _records: Sequence[SigningKeyRecord]) -> NoReturn:
        raise self.error

    def open_secret(self, _secret: SealedSecret) -> NoReturn:
        raise self.error
