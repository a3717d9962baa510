"""Logs that the quoted registers prove: the only ones that claims may come from."""

from __future__ import annotations

from typing import final

import msgspec

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.content import Content


class MeasuredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement whose digest is part of a quoted register."""

    sequence: int
    """Its place among the records of all logs, remarks counted."""

    pcr: int
    type: int
    """In no digest: see `assay.evidence.tpm.event_types`."""

    digest: bytes
    """In the bank of the log."""

    data: bytes
    content: Content | None
    """What the data says where it says something; covered by the digest, images apart."""


@final
class MeasuredLog(msgspec.Struct, frozen=True, kw_only=True):
    """The logs of one attestation, replayed to the registers of a quote.

    Only `assay.evidence.tpm.log_verify` constructs it; `tests/test_architecture.py` fails
    otherwise. It says what was measured, if the registers came out of a verified quote.
    """

    bank: HashAlgorithm
    """The strongest bank of those that cover most."""

    events: tuple[MeasuredEvent, ...]
    """The measurements in quoted registers, in the order of the logs."""

    quoted_pcrs: frozenset[int]
    """The registers of the quote in this bank."""

    accounted_pcrs: frozenset[int]
    """Registers whose quoted value is exactly what the logs lead to, those without events that
    have their reset value included. Of others the log may leave everything out."""
