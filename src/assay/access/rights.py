"""Rights, and the instances that they are given for.

Source: MAA protocol, section 4: the data actions `attestation/read`, `write` and `delete`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

ALL_INSTANCES: Final = "*"
"""In place of an instance's name: every instance, and the server that hosts them."""

_SEPARATOR: Final = "@"


class Right(StrEnum):
    """What a caller may do. None of them includes another."""

    READ = "read"
    """Get policies and policy signers."""

    WRITE = "write"
    """Set policies, add policy signers."""

    DELETE = "delete"
    """Reset policies, remove policy signers."""


@final
@dataclass(frozen=True, slots=True)
class Grants:
    """Rights with the instance that each is for; the empty value gives nothing."""

    pairs: frozenset[tuple[Right, str]] = frozenset()
    """A right and an instance's name, or `ALL_INSTANCES`."""

    @classmethod
    def of(cls, rights: Iterable[Right], instances: Iterable[str]) -> Grants:
        """Every one of the rights for every one of the instances."""
        names = tuple(instances)
        return cls(frozenset((right, name) for right in rights for name in names))

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Grants:
        """What `texts` of other grants says.

        Raises:
            ValueError: A text is not `right@instance`, or names no right.
        """
        pairs = set[tuple[Right, str]]()
        for text in texts:
            right, separator, instance = text.partition(_SEPARATOR)
            if not separator or not instance:
                raise ValueError(f"a grant needs the form right@instance, got {text!r}")
            pairs.add((Right(right), instance))
        return cls(frozenset(pairs))

    @property
    def texts(self) -> tuple[str, ...]:
        """Each as `right@instance`, sorted: what is kept and shown."""
        return tuple(sorted(f"{right}{_SEPARATOR}{instance}" for right, instance in self.pairs))

    def allow(self, right: Right, instance: str | None) -> bool:
        """Whether the right is given for an instance; for none, that is for the server itself.

        Names are compared exactly: the instance's own spelling, not that of an address.
        """
        return (right, ALL_INSTANCES) in self.pairs or (right, instance) in self.pairs

    def __or__(self, other: Grants) -> Grants:
        return Grants(self.pairs | other.pairs)
