"""Fetching collateral for one platform."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import stamina

from assay import clock
from assay.cli.evidence_file import read_evidence_file
from assay.encoding import decode_hex
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.endorsements.source import EvaluationSelection, GatheredCollateral
from assay.endorsements.sources import DIALECTS, open_source
from assay.errors import RequestError
from assay.evidence.registry import FORMATS

_FMSPC_SIZE: Final = 6
_PCEID: Final = bytes(2)
"""Of every platform so far; no service asks for it."""


def choose_platform(file: Path | None, fmspc: str | None, ca: str | None) -> DcapPlatform:
    """The platform that evidence names, or the one that the options describe.

    Args:
        file: The evidence.
        fmspc: Of the platform, in hexadecimal.
        ca: Its authority, beside `fmspc`; the one for platforms if `None`.

    Raises:
        RequestError: Neither or both are given, or the file cannot be read.
        EncodingError: `fmspc` is not 6 bytes in hexadecimal.
        MalformedEvidenceError: The file is no evidence.
        UntrustedEvidenceError: Its certificate does not parse.
    """
    if (file is None) == (fmspc is None):
        raise RequestError("expected either evidence or --fmspc, to know which platform it is for")
    if file is not None:
        if ca is not None:
            raise RequestError("expected --ca only with --fmspc: evidence names its own authority")
        evidence = read_evidence_file(file)
        fmt = FORMATS[evidence.attestation_type]
        return fmt.platform(fmt.parse(evidence.data))
    return DcapPlatform(
        tee=Tee.SGX,
        fmspc=decode_hex(fmspc or "", "--fmspc", size=_FMSPC_SIZE),
        pceid=_PCEID,
        ca=PckCa.PLATFORM if ca is None else PckCa(ca),
    )


def fetch_collateral(
    platform: DcapPlatform, *, source: str, evaluation: str, ca_file: Path | None
) -> GatheredCollateral:
    """Ask a service for the collateral of a platform.

    Raises:
        RequestError: `source` is no service.
        SettingsError: An address, a selection or `ca_file` is of no use.
        CollateralUnavailableError: The service does not give it.
    """
    if source.partition(":")[0] not in DIALECTS:
        raise RequestError(
            f"--source: expected {', '.join(DIALECTS)}, with :URL where needed, got {source!r}"
        )
    selection = EvaluationSelection.parse(evaluation)
    with _quiet_retries():
        return asyncio.run(_gather(platform, source, selection, ca_file))


@contextlib.contextmanager
def _quiet_retries() -> Iterator[None]:
    """Retries are of no interest to people: what they get is the answer or the last reason."""
    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        yield
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)


async def _gather(
    platform: DcapPlatform, name: str, evaluation: EvaluationSelection, ca_file: Path | None
) -> GatheredCollateral:
    source = open_source(name, now=clock.now, ca_file=ca_file)
    try:
        return await source.gather(platform, evaluation=evaluation)
    finally:
        await source.close()
