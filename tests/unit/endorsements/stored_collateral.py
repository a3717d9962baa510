"""Collateral of a simulated platform as a single file, in the form that `write_stored` writes."""

from __future__ import annotations

from typing import Final

from assay.encoding import JsonValue, encode_json
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.stored import write_stored
from assay.simulator import SimulatedPlatform
from tests.conftest import AT

UNAVAILABLE: Final = ("appraisal.collateral.unavailable",)

PLATFORM: Final = SimulatedPlatform.create(AT)
COLLATERAL: Final = PLATFORM.collateral(AT)
STORED: Final = encode_json(dict[str, JsonValue](write_stored(COLLATERAL)))


def single(collateral: DcapCollateral) -> bytes:
    return encode_json(dict[str, JsonValue](write_stored(collateral)))
