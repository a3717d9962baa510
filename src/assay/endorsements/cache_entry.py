"""One set of collateral in the cache: how long it is good, and what it is at rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from assay.encoding import EncodingError, JsonValue, encode_json, parse_json_object
from assay.endorsements.label import CollateralLabel, read_label
from assay.endorsements.source import GatheredCollateral, unavailable
from assay.endorsements.stored import read_stored, write_stored

MAX_LIFE: Final = timedelta(hours=24)
"""Intel asks to look for news once a day; revocations come between one `nextUpdate` and another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One set with its label."""

    gathered: GatheredCollateral
    label: CollateralLabel

    @classmethod
    def of(cls, gathered: GatheredCollateral) -> CacheEntry:
        """The entry of a set.

        Raises:
            CollateralUnavailableError: A document does not parse.
        """
        return cls(gathered=gathered, label=read_label(gathered.collateral, origin=gathered.source))

    @property
    def ends(self) -> datetime:
        """When it has to be fetched again."""
        return min(self.label.expires, self.gathered.fetched_at + MAX_LIFE)

    def served(self, at: datetime) -> GatheredCollateral:
        """The set as it is given out at an instant."""
        stale = at > self.label.expires
        return dataclasses.replace(self.gathered, stale=True) if stale else self.gathered

    def is_older_than(self, other: CacheEntry) -> bool:
        """Whether a document in it, or its evaluation number, goes back behind the other's."""
        return self.label.evaluation_number < other.label.evaluation_number or any(
            own < others for own, others in zip(self.label.issues, other.label.issues, strict=True)
        )

    def encode(self) -> bytes:
        """What `decode` reads."""
        return encode_json(
            {
                "source": self.gathered.source,
                "fetched_at": self.gathered.fetched_at.isoformat(),
                "digest": self.gathered.collateral.digest.hex(),
                "collateral": dict(write_stored(self.gathered.collateral)),
            }
        )

    @classmethod
    def decode(cls, data: bytes, *, origin: str) -> CacheEntry:
        """The entry that `encode` wrote.

        Raises:
            CollateralUnavailableError: The bytes are damaged.
        """
        try:
            outer = parse_json_object(data, "entry")
            source, fetched_at = _provenance(outer)
        except (EncodingError, ValueError) as error:
            raise unavailable(f"an entry of the cache in {origin}", str(error)) from error
        stored = read_stored(encode_json(outer.get("collateral")), origin=origin)
        if stored.digest.hex() != outer.get("digest"):
            raise unavailable(f"an entry of the cache in {origin}", "another digest")
        return cls.of(GatheredCollateral(collateral=stored, source=source, fetched_at=fetched_at))


def _provenance(outer: Mapping[str, JsonValue]) -> tuple[str, datetime]:
    source, instant = outer.get("source"), outer.get("fetched_at")
    if not isinstance(source, str) or not isinstance(instant, str):
        raise EncodingError("entry: expected a source and an instant as text")
    fetched_at = datetime.fromisoformat(instant)
    if fetched_at.tzinfo is None:
        raise EncodingError("entry: expected an instant with its zone, got one without")
    return source, fetched_at
