"""Faults of Open Enclave's envelopes around a quote that is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from assay.evidence.format import AttestationType
from assay.simulator import openenclave
from assay.simulator.faults.attempt import Attempt, Fault, attempt
from assay.simulator.sgx import SimulatedPlatform

_REPORT: Final = "openenclave.report.oe_format"
_EVIDENCE: Final = "openenclave.evidence.oe_format"
_UNSUPPORTED: Final = "openenclave.evidence.unsupported"
_BINDING: Final = "openenclave.custom_claims.binding"

_Apply = Callable[[SimulatedPlatform], Attempt]

_CLAIMS: Final = b"claims of the enclave"
_UINT64_MAX: Final = 2**64 - 1


def _oe(evidence: Callable[[SimulatedPlatform], bytes]) -> _Apply:
    return lambda platform: replace(
        attempt(platform, evidence=evidence(platform)), evidence_type=AttestationType.OPEN_ENCLAVE
    )


def _report(**header: Any) -> _Apply:  # noqa: ANN401  arguments of legacy_report
    return _oe(lambda platform: openenclave.legacy_report(platform.quote(), **header))


def _report_resized(by: int) -> _Apply:
    def evidence(platform: SimulatedPlatform) -> bytes:
        quote = platform.quote()
        return openenclave.legacy_report(quote, size=len(quote) + by)

    return _oe(evidence)


def _evidence(**header: Any) -> _Apply:  # noqa: ANN401  arguments of with_header
    return _oe(lambda platform: openenclave.with_header(platform.quote(), **header))


def _resized(by: int) -> _Apply:
    def evidence(platform: SimulatedPlatform) -> bytes:
        quote = platform.quote()
        return openenclave.with_header(
            quote, format_id=openenclave.RAW_SGX_QUOTE_ECDSA, size=len(quote) + by
        )

    return _oe(evidence)


def _claims(edit: Callable[[bytes], bytes]) -> _Apply:
    """Other custom claims behind a quote that binds `_CLAIMS`."""

    def evidence(platform: SimulatedPlatform) -> bytes:
        bound = openenclave.evidence(platform, _CLAIMS)
        quote = bound[openenclave.HEADER_SIZE : -len(_CLAIMS)]
        return openenclave.with_header(quote + edit(_CLAIMS))

    return _oe(evidence)


OPEN_ENCLAVE_FAULTS: Final = (
    Fault("oe-report-empty", "no bytes at all", _REPORT, _oe(lambda _: b"")),
    Fault(
        "oe-report-header-cut",
        "one byte less than a header",
        _REPORT,
        _oe(lambda platform: openenclave.legacy_report(platform.quote())[:15]),
    ),
    Fault("oe-report-version-2", "a report of version 2", _REPORT, _report(version=2)),
    Fault("oe-report-type-0", "a report of no type", _UNSUPPORTED, _report(report_type=0)),
    Fault(
        "oe-report-local",
        "a report that only its own machine can verify",
        _UNSUPPORTED,
        _report(report_type=openenclave.ReportType.LOCAL),
    ),
    Fault("oe-report-size-short", "one byte less declared", _REPORT, _report_resized(-1)),
    Fault("oe-report-size-long", "one byte more declared", _REPORT, _report_resized(1)),
    Fault("oe-report-size-max", "a size that overflows", _REPORT, _report(size=_UINT64_MAX)),
    Fault(
        "oe-evidence-header-cut",
        "one byte less than a header",
        _EVIDENCE,
        _oe(lambda platform: openenclave.evidence(platform)[:27]),
    ),
    Fault("oe-evidence-size-short", "one byte less declared", _EVIDENCE, _resized(-1)),
    Fault("oe-evidence-size-long", "one byte more declared", _EVIDENCE, _resized(1)),
    Fault("oe-evidence-size-max", "a size that overflows", _EVIDENCE, _evidence(size=_UINT64_MAX)),
    Fault(
        "oe-evidence-unknown-format",
        "a format that nobody knows",
        _UNSUPPORTED,
        _evidence(format_id=UUID(int=0)),
    ),
    Fault(
        "oe-evidence-local",
        "a report that only its own machine can verify",
        _UNSUPPORTED,
        _evidence(format_id=openenclave.SGX_LOCAL),
    ),
    Fault(
        "oe-evidence-epid",
        "a quote of the former scheme",
        _UNSUPPORTED,
        _evidence(format_id=openenclave.EPID_LINKABLE),
    ),
    Fault(
        "oe-evidence-epid-unlinkable",
        "the same, unlinkable",
        _UNSUPPORTED,
        _evidence(format_id=openenclave.EPID_UNLINKABLE),
    ),
    Fault(
        "oe-claims-flipped",
        "custom claims other than the bound ones",
        _BINDING,
        _claims(lambda claims: claims[::-1]),
    ),
    Fault(
        "oe-claims-dropped", "the bound custom claims left out", _BINDING, _claims(lambda _: b"")
    ),
    Fault(
        "oe-claims-extended",
        "a byte after the bound custom claims",
        _BINDING,
        _claims(lambda claims: claims + b"\0"),
    ),
    Fault(
        "oe-claims-unbound",
        "no hash of the custom claims in the report data",
        _BINDING,
        _oe(lambda platform: openenclave.with_header(platform.quote() + _CLAIMS)),
    ),
    Fault(
        "oe-quote-in-place-of-report",
        "a quote without any header",
        _REPORT,
        _oe(lambda platform: platform.quote()),
    ),
)
