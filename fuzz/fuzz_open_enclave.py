"""Any bytes are Open Enclave evidence that its platform signed, or refused."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import AssayError, CollateralUnavailableError, MalformedEvidenceError
    from assay.evidence.dcap.memory import DcapMemory
    from assay.evidence.dcap.verify import DcapVerification
    from assay.evidence.openenclave import (
        parse_certificate,
        parse_endorsements,
        parse_evidence,
        parse_tdx_endorsements,
        verify_evidence,
    )

from assay.simulator import openenclave
from fuzz.simulated import AT, PLATFORM

_COLLATERAL: Final = PLATFORM.collateral(AT)
_CONTEXT: Final = DcapVerification(
    collateral=_COLLATERAL, at=AT, roots=PLATFORM.anchors, memory=DcapMemory(PLATFORM.anchors)
)

SEEDS: Final = (
    openenclave.legacy_report(PLATFORM.quote()),
    openenclave.evidence(PLATFORM),
    openenclave.evidence(PLATFORM, b"custom claims"),
    openenclave.with_header(
        openenclave.legacy_report(PLATFORM.quote()), format_id=openenclave.LEGACY_REPORT_REMOTE
    ),
    openenclave.with_header(PLATFORM.quote(), format_id=openenclave.RAW_SGX_QUOTE_ECDSA),
    openenclave.with_header(openenclave.endorsements(_COLLATERAL, AT)),
    openenclave.endorsements(_COLLATERAL, AT),
    PLATFORM.pck.der,
)
_PARSERS: Final = (parse_certificate, parse_endorsements, parse_tdx_endorsements)


def test_one_input(data: bytes) -> None:
    for parse in _PARSERS:
        try:
            parse(data)
        except (MalformedEvidenceError, CollateralUnavailableError) as error:
            _check(error)
    try:
        evidence = parse_evidence(data)
    except MalformedEvidenceError as error:
        _check(error)
        return
    try:
        verify_evidence(evidence, _CONTEXT)
    except AssayError as error:
        _check(error)
        return
    if evidence.custom_claims not in {None, b"", b"custom claims"}:
        raise AssertionError("forged claims")


def _check(error: AssayError) -> None:
    if not error.findings:
        raise AssertionError("refused without a finding") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
