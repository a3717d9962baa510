"""The collateral source that the settings name, with what it needs to be asked rarely."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from assay import clock
from assay.endorsements.cache import CollateralCache
from assay.endorsements.source import OpenSource
from assay.endorsements.sources import open_source
from assay.errors import CollateralUnavailableError, SettingsError
from assay.server.settings import CollateralKind, CollateralSettings
from assay.store import CollateralRecord, Store


@dataclass(frozen=True, slots=True)
class CollateralShelf:
    """The part of the store where the cache keeps collateral over restarts."""

    store: Store

    def get(self, key: str) -> bytes | None:
        """What was put under the key last, or nothing.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        record = self.store.collateral.get(key)
        return None if record is None else record.document

    def put(self, key: str, document: bytes, *, fetched_at: datetime, expires_at: datetime) -> None:
        """Keep the document in place of what the key had.

        Raises:
            StoreUnavailableError: The database cannot be written.
        """
        self.store.collateral.put(
            CollateralRecord(
                key=key, document=document, fetched_at=fetched_at, expires_at=expires_at
            )
        )


def open_collateral(
    settings: CollateralSettings, store: Store, *, wait_seconds: float = 20
) -> OpenSource:
    """The source, with nothing fetched yet; nobody waits longer than `wait_seconds` for it.

    Raises:
        SettingsError: Its address is of no use, or there is no collateral at its path.
    """
    try:
        source = open_source(source_name(settings), now=clock.now)
    except CollateralUnavailableError as error:
        raise SettingsError(
            f"collateral.path: {error.message}; set it to a file or folder with collateral"
        ) from error
    if settings.source is CollateralKind.PATH:
        return source
    return CollateralCache(
        source, store=CollateralShelf(store), now=clock.now, wait_seconds=wait_seconds
    )


def source_name(settings: CollateralSettings) -> str:
    """The name by which the source of the settings is opened."""
    if settings.source is CollateralKind.PATH and settings.path is not None:
        # A relative path could be spelled like the name of a service.
        return str(settings.path.absolute())
    return settings.source if settings.url is None else f"{settings.source}:{settings.url}"
