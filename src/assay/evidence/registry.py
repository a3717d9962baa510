"""The evidence formats that Assay understands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from assay.evidence.dcap.checks import DCAP_CHECKS
from assay.evidence.format import AttestationType, BoundFields, Format
from assay.evidence.openenclave import (
    OPEN_ENCLAVE_CHECKS,
    OpenEnclaveEvidence,
    parse_evidence,
    verify_evidence,
)
from assay.evidence.sgx import (
    HELD_DATA_CLAIMS,
    SgxQuote,
    certified_quote_platform,
    extract_claims,
    parse_quote,
    quote_platform,
    verify_quote,
)


def _quote_fields(quote: SgxQuote) -> BoundFields:
    body = quote.body
    return BoundFields(
        report_data=body.report_data,
        config_id=body.config_id if body.has_key_separation else None,
    )


def _evidence_fields(evidence: OpenEnclaveEvidence) -> BoundFields:
    return _quote_fields(evidence.quote)


_SGX_ENCLAVE: Final = Format(
    attestation_type=AttestationType.SGX_ENCLAVE,
    parse=parse_quote,
    platform=quote_platform,
    certified_platform=certified_quote_platform,
    bound_fields=_quote_fields,
    verify=verify_quote,
    claims=extract_claims,
    held_data_claims=HELD_DATA_CLAIMS,
    checks=DCAP_CHECKS,
)
_OPEN_ENCLAVE: Final = Format(
    attestation_type=AttestationType.OPEN_ENCLAVE,
    parse=parse_evidence,
    platform=lambda evidence: quote_platform(evidence.quote),
    certified_platform=lambda evidence, memory: certified_quote_platform(evidence.quote, memory),
    bound_fields=_evidence_fields,
    verify=verify_evidence,
    claims=extract_claims,
    held_data_claims=HELD_DATA_CLAIMS,
    checks=OPEN_ENCLAVE_CHECKS,
)

FORMATS: Final[Mapping[AttestationType, Format[Any, Any]]] = MappingProxyType(
    {row.attestation_type: row for row in (_SGX_ENCLAVE, _OPEN_ENCLAVE)}
)
