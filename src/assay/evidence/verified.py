"""Evidence whose signature chains to a pinned root: the state of trust as a type."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

EvidenceT = TypeVar("EvidenceT")


class Verified(msgspec.Struct, Generic[EvidenceT], frozen=True, kw_only=True):
    """Evidence that passed every check of its format's `verify` module.

    Only the `verify` modules construct it; `tests/test_architecture.py` fails otherwise.
    """

    evidence: EvidenceT

    anchor: str
    """SHA-256 of the trusted root's SubjectPublicKeyInfo, lower-case hex."""

    at: datetime
    """The instant that the evidence was judged at."""

    simulated: bool
    """Whether that root is a simulator's: such evidence proves nothing about hardware."""
