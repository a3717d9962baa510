"""Collateral of a simulated platform, straight from its keys. Only for `dev`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from assay.endorsements.platform import DcapPlatform
from assay.endorsements.source import (
    STANDARD,
    EvaluationSelection,
    GatheredCollateral,
    unavailable,
)
from assay.simulator import SimulatedPlatform


class SimulatedSource:
    """The collateral source of one simulated platform."""

    name = "simulator"

    __slots__ = ("_day", "_kept", "_now", "_own", "_platform")

    def __init__(self, platform: SimulatedPlatform, now: Callable[[], datetime]) -> None:
        self._platform = platform
        self._own = platform.dcap_platform
        self._now = now
        self._day: date | None = None
        self._kept: dict[EvaluationSelection, GatheredCollateral] = {}

    async def gather(
        self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        """What the platform's maker says of it today.

        Raises:
            CollateralUnavailableError: It is another platform, or there is no such evaluation
                data set.
        """
        own = self._own
        if platform != own:
            raise unavailable(
                f"evidence of the simulated platform of FMSPC {own.fmspc.hex()}",
                f"evidence of FMSPC {platform.fmspc.hex()}",
                "a server that simulates judges nothing else; start it without a simulator",
            )
        at = self._now()
        if self._day != at.date():
            self._kept.clear()
            self._day = at.date()
        # Signatures differ each time they are made; kept for a day, as the maker's would be.
        kept = self._kept.get(evaluation)
        if kept is None:
            kept = self._make(evaluation, at)
            self._kept[evaluation] = kept
        return kept

    async def close(self) -> None:
        """Nothing is open."""

    def _make(self, evaluation: EvaluationSelection, at: datetime) -> GatheredCollateral:
        numbers = {entry.number for entry in self._platform.settings.evaluation_sets}
        number = max(numbers) if evaluation.name == "early" else evaluation.number
        if number is not None and number not in numbers:
            raise unavailable(
                f"one of the TCB evaluation data numbers {sorted(numbers)}", str(number)
            )
        return GatheredCollateral(
            collateral=self._platform.collateral(at, number=number),
            source="simulator",
            fetched_at=at,
        )
