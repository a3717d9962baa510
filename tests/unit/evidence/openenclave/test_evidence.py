from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.errors import MalformedEvidenceError
from assay.evidence.openenclave import OpenEnclaveFormat, parse_evidence
from assay.evidence.openenclave.evidence import read_enveloped
from assay.simulator import SimulatedPlatform
from assay.simulator.openenclave import (
    EPID_LINKABLE,
    EPID_UNLINKABLE,
    LEGACY_REPORT_REMOTE,
    RAW_SGX_QUOTE_ECDSA,
    SGX_LOCAL,
    evidence,
    legacy_report,
    with_header,
)
from assay.wire import Reader
from tests.conftest import AT

_PLATFORM = SimulatedPlatform.create(AT)
_REPORT = "openenclave.report.oe_format"
_EVIDENCE = "openenclave.evidence.oe_format"
_UNSUPPORTED = "openenclave.evidence.unsupported"


def _refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(MalformedEvidenceError) as caught:
        parse_evidence(data)
    return caught.value.findings[0].check, str(caught.value)


def test_a_legacy_report_holds_a_quote_and_no_custom_claims() -> None:
    quote = _PLATFORM.quote()

    parsed = parse_evidence(legacy_report(quote))

    assert parsed.format is OpenEnclaveFormat.LEGACY_REPORT
    assert parsed.quote.declared_size == len(quote)
    assert parsed.custom_claims is None


def test_a_legacy_report_may_pad_its_quote_with_zeros() -> None:
    quote = _PLATFORM.quote()

    assert parse_evidence(legacy_report(quote + bytes(20))).quote.declared_size == len(quote)


@pytest.mark.parametrize("claims", [b"", b"claims"])
def test_sgx_ecdsa_evidence_holds_a_quote_and_custom_claims(claims: bytes) -> None:
    parsed = parse_evidence(evidence(_PLATFORM, claims))

    assert parsed.format is OpenEnclaveFormat.SGX_ECDSA
    assert parsed.custom_claims == claims


def test_evidence_may_hold_a_legacy_report() -> None:
    report = legacy_report(_PLATFORM.quote())

    parsed = parse_evidence(with_header(report, format_id=LEGACY_REPORT_REMOTE))

    assert parsed.format is OpenEnclaveFormat.LEGACY_REPORT_REMOTE
    assert parsed.custom_claims is None


def test_evidence_may_hold_a_raw_quote() -> None:
    parsed = parse_evidence(with_header(_PLATFORM.quote(), format_id=RAW_SGX_QUOTE_ECDSA))

    assert parsed.format is OpenEnclaveFormat.RAW_SGX_QUOTE_ECDSA
    assert parsed.custom_claims is None


@pytest.mark.parametrize(
    ("format_id", "name"),
    [
        (SGX_LOCAL, "SGX_LOCAL"),
        (EPID_LINKABLE, "EPID_LINKABLE"),
        (EPID_UNLINKABLE, "EPID_UNLINKABLE"),
        (type(SGX_LOCAL)("8ba70286-c1cf-11ed-afa1-0242ac120002"), "TDX_QUOTE_ECDSA"),
        (type(SGX_LOCAL)(int=7), "unknown format"),
    ],
)
def test_other_formats_are_refused_by_name(format_id: object, name: str) -> None:
    data = bytearray(with_header(_PLATFORM.quote()))
    data[4:20] = getattr(format_id, "bytes", b"")

    check, message = _refused(bytes(data))

    assert check == _UNSUPPORTED
    assert name in message


def test_a_local_report_is_refused_by_name() -> None:
    check, message = _refused(legacy_report(_PLATFORM.quote(), report_type=1))

    assert (check, "local" in message) == (_UNSUPPORTED, True)


def test_an_unknown_report_type_is_refused() -> None:
    assert _refused(legacy_report(_PLATFORM.quote(), report_type=3))[0] == _UNSUPPORTED


def test_a_bare_quote_is_sent_to_the_other_endpoint() -> None:
    check, message = _refused(_PLATFORM.quote())

    assert check == _REPORT
    assert "SgxEnclave" in message


@pytest.mark.parametrize("version", [0, 2, 4, 2**32 - 1])
def test_another_version_is_refused(version: int) -> None:
    assert _refused(legacy_report(_PLATFORM.quote(), version=version))[0] == _REPORT


@pytest.mark.parametrize("version", [0, 3])
def test_a_report_inside_evidence_has_version_1(version: int) -> None:
    report = legacy_report(_PLATFORM.quote(), version=version)

    assert _refused(with_header(report, format_id=LEGACY_REPORT_REMOTE))[0] == _REPORT


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_an_envelope_of_another_version_is_refused(version: int) -> None:
    data = with_header(_PLATFORM.quote(), version=version)

    with pytest.raises(MalformedEvidenceError) as caught:
        read_enveloped(Reader(data, "evidence", check=_EVIDENCE))
    assert caught.value.findings[0].check == _EVIDENCE


@pytest.mark.parametrize("change", [-1, 1, 2**63])
def test_a_size_that_does_not_fit_is_refused(change: int) -> None:
    quote = _PLATFORM.quote()

    assert _refused(legacy_report(quote, size=len(quote) + change))[0] == _REPORT
    assert _refused(with_header(quote, size=len(quote) + change))[0] == _EVIDENCE


def test_every_truncation_is_refused() -> None:
    for data in (legacy_report(_PLATFORM.quote()), evidence(_PLATFORM, b"claims")):
        for size in range(0, len(data), 11):
            _refused(data[:size])


@pytest.mark.property
@given(st.one_of(st.binary(max_size=512), st.binary(max_size=64).map(with_header)))
def test_any_bytes_are_evidence_or_malformed(data: bytes) -> None:
    check, _ = _refused(data)

    assert check.startswith(("openenclave.", "dcap.quote."))
