"""Collateral as a path holds it: one set in a file, documents in a folder, or many sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Final

from assay.encoding import encode_json
from assay.endorsements.bundle import BUNDLE_START, MAX_BUNDLE_SIZE
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform
from assay.endorsements.stored import StoredSource, write_stored

BUNDLES: Final = MappingProxyType({BUNDLE_START: MAX_BUNDLE_SIZE})
"""How bundles begin, and how large `assay collateral export` makes them at most."""


def gather_stored(path: Path, platform: Callable[[], DcapPlatform]) -> DcapCollateral:
    """The collateral at `path` for a platform.

    A single set is taken whatever it is for: the verification says best what is wrong with it.

    Args:
        path: A file or a folder.
        platform: Tells what to choose, where there is a choice.

    Raises:
        CollateralUnavailableError: There is none for the platform.
        MalformedEvidenceError: `platform` cannot tell, and there is a choice.
        UntrustedEvidenceError: As above.
    """
    source = StoredSource(path)
    if len(source.sets) == 1:
        return source.sets[0].gathered.collateral
    return source.select(platform()).collateral


def encode_collateral(collateral: DcapCollateral) -> bytes:
    """One set as a file that `gather_stored` reads."""
    return encode_json(dict(write_stored(collateral)))
