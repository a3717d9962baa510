"""Where collateral comes from, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.platform import DcapPlatform
from assay.errors import CollateralUnavailableError, Finding, SettingsError

COLLATERAL_UNAVAILABLE: Final = "appraisal.collateral.unavailable"

_STANDARD = "standard"
_EARLY = "early"
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class EvaluationSelection:
    """Which of Intel's TCB evaluation data sets to judge by.

    Intel publishes a set when it is disclosed (`early`) and makes it the `standard` one when
    platform owners have had time to update; each has a number that grows.
    """

    name: str = _STANDARD
    """`standard`, `early`, or a decimal number."""

    @property
    def number(self) -> int | None:
        """The number asked for, or `None` for `standard` and `early`."""
        return int(self.name) if self.name.isdecimal() else None

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, text: str) -> EvaluationSelection:
        """The selection that `text` names.

        Raises:
            SettingsError: Neither `standard`, `early` nor a number.
        """
        is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
        if text not in {_STANDARD, _EARLY} and not is_number:
            raise SettingsError(
                f"TCB evaluation data: expected standard, early or a number, got {text!r}"
            )
        return cls(text)


STANDARD = EvaluationSelection()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredCollateral:
    """Collateral for one platform, with its provenance."""

    collateral: DcapCollateral
    source: str
    """Where it came from, for people."""

    fetched_at: datetime
    stale: bool = False
    """Whether it is past its `nextUpdate` because nothing newer could be had."""


class CollateralSource(Protocol):
    """Gathers the collateral of a platform."""

    async def gather(
        self, platform: DcapPlatform, *, evaluation: EvaluationSelection = STANDARD
    ) -> GatheredCollateral:
        """All nine documents, or nothing.

        Raises:
            CollateralUnavailableError: A document cannot be had.
        """
        ...


class OpenSource(CollateralSource, Protocol):
    """A source that somebody opened and has to close."""

    @property
    def name(self) -> str:
        """What it is called, for people and to tell it from others."""
        ...

    async def close(self) -> None:
        """Let go of its connections and end what it does in the background."""
        ...


def unavailable(expected: str, actual: str, hint: str = "") -> CollateralUnavailableError:
    """The error for collateral that cannot be had, for the caller to raise."""
    finding = Finding(check=COLLATERAL_UNAVAILABLE, expected=expected, actual=actual, hint=hint)
    return CollateralUnavailableError(str(finding), findings=[finding])
