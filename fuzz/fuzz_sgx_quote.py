"""Any bytes are a quote that its platform signed, or refused; with a memory as without one."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import AssayError, MalformedEvidenceError, UntrustedEvidenceError
    from assay.evidence.dcap.memory import DcapMemory
    from assay.evidence.dcap.verify import DcapVerification
    from assay.evidence.sgx import parse_quote, quote_platform, verify_quote

from fuzz.simulated import AT, PLATFORM

SEEDS: Final = tuple(
    quote
    for version in (3, 4, 5)
    for quote in (
        PLATFORM.quote(version=version, report_data=b"data"),
        PLATFORM.quote(version=version) + bytes(100),
    )
)
_SIGNED: Final = frozenset(parse_quote(seed).signed for seed in SEEDS)
_COLLATERAL: Final = PLATFORM.collateral(AT)
_MEMORY: Final = DcapMemory(PLATFORM.anchors)


def test_one_input(data: bytes) -> None:
    try:
        parse_quote(data)
    except MalformedEvidenceError as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error
        return
    _read_platform(data)
    warm = _refusal(data, _MEMORY)
    if warm != _refusal(data, DcapMemory(PLATFORM.anchors)):
        raise AssertionError("memory changed the answer")
    if not warm and parse_quote(data).signed not in _SIGNED:
        raise AssertionError("a forged quote")


def _refusal(data: bytes, memory: DcapMemory) -> tuple[str, ...]:
    context = DcapVerification(collateral=_COLLATERAL, at=AT, roots=PLATFORM.anchors, memory=memory)
    try:
        verify_quote(parse_quote(data), context)
    except AssayError as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error
        return tuple(map(str, error.findings))
    return ()


def _read_platform(data: bytes) -> None:
    try:
        quote_platform(parse_quote(data))
    except (MalformedEvidenceError, UntrustedEvidenceError) as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
