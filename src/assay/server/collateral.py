"""The collateral source that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from assay.endorsements.source import CollateralSource
from assay.server.settings import CollateralSettings
from assay.store import Store


def collateral_source(
    settings: CollateralSettings, store: Store, now: Callable[[], datetime]
) -> CollateralSource:
    """The source, not connected yet."""
    raise NotImplementedError
