"""The collateral source that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from assay.endorsements.source import OpenSource
from assay.endorsements.sources import open_source
from assay.errors import CollateralUnavailableError, SettingsError
from assay.server.settings import CollateralKind, CollateralSettings


def open_collateral(settings: CollateralSettings, now: Callable[[], datetime]) -> OpenSource:
    """The source, with nothing fetched yet.

    Raises:
        SettingsError: Its address is of no use, or there is no collateral at its path.
    """
    try:
        return open_source(_source_name(settings), now=now)
    except CollateralUnavailableError as error:
        raise SettingsError(
            f"collateral.path: {error.message}; set it to a file or folder with collateral"
        ) from error


def _source_name(settings: CollateralSettings) -> str:
    if settings.source is CollateralKind.PATH:
        return str(settings.path)
    return settings.source if settings.url is None else f"{settings.source}:{settings.url}"
