"""The values of PCRs as an attester lists them beside its quote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import PcrSelection

PcrValues: TypeAlias = Mapping[HashAlgorithm, Mapping[int, bytes]]
"""Digests by bank and index."""


def composite_digest(
    selections: tuple[PcrSelection, ...], pcrs: PcrValues, scheme_hash: HashAlgorithm
) -> bytes:
    """What a quote says of PCRs: the hash over those that it selects.

    Args:
        selections: In the quote's order.
        pcrs: The values, all of which must be there.
        scheme_hash: The hash of the signature scheme, whatever the banks are.
    """
    return scheme_hash.digest(
        b"".join(pcrs[one.bank][index] for one in selections for index in one.indexes)
    )
