"""Quotes and the Open Enclave envelopes around them as members to show."""

from __future__ import annotations

from assay.cli.inspection.certificates import certificates_members
from assay.encoding import JsonValue
from assay.errors import MalformedEvidenceError
from assay.evidence.dcap.body import SgxReportBody, read_report_body
from assay.evidence.dcap.signature import PCK_CERTIFICATE_CHAIN, QuoteSignature
from assay.evidence.openenclave import OpenEnclaveEvidence
from assay.evidence.sgx import SgxQuote
from assay.wire import Reader


def open_enclave_members(evidence: OpenEnclaveEvidence) -> dict[str, JsonValue]:
    """A report or piece of evidence of Open Enclave."""
    claims = evidence.custom_claims
    return {
        "format": evidence.format.value,
        "custom_claims_bytes": None if claims is None else len(claims),
        "quote": quote_members(evidence.quote),
    }


def quote_members(quote: SgxQuote) -> dict[str, JsonValue]:
    """An SGX quote: header, enclave, quoting enclave, certificates."""
    header = quote.header
    return {
        "version": header.version,
        "bytes": quote.declared_size,
        "attestation_key_type": header.attestation_key_type,
        "qe_svn": header.qe_svn,
        "pce_svn": header.pce_svn,
        "qe_vendor_id": header.qe_vendor_id.hex(),
        "user_data": header.user_data.hex(),
        "enclave": _body(quote.body),
        "quoting_enclave": _quoting_enclave(quote.signature),
        "certification": _certification(quote.signature),
    }


def _body(body: SgxReportBody) -> dict[str, JsonValue]:
    return {
        "mr_enclave": body.mr_enclave.hex(),
        "mr_signer": body.mr_signer.hex(),
        "isv_prod_id": body.isv_prod_id,
        "isv_svn": body.isv_svn,
        "debuggable": body.is_debuggable,
        "attributes": body.attributes.hex(),
        "misc_select": f"{body.misc_select:08x}",
        "cpu_svn": body.cpu_svn.hex(),
        "config_id": body.config_id.hex(),
        "config_svn": body.config_svn,
        "isv_ext_prod_id": body.isv_ext_prod_id.hex(),
        "isv_family_id": body.isv_family_id.hex(),
        "report_data": body.report_data.hex(),
    }


def _quoting_enclave(signature: QuoteSignature) -> dict[str, JsonValue]:
    try:
        body = read_report_body(Reader(signature.qe_report, "qe_report", check="dcap.quote"))
    except MalformedEvidenceError as error:
        return {"problem": error.message}
    return {
        "mr_enclave": body.mr_enclave.hex(),
        "mr_signer": body.mr_signer.hex(),
        "isv_prod_id": body.isv_prod_id,
        "isv_svn": body.isv_svn,
    }


def _certification(signature: QuoteSignature) -> dict[str, JsonValue]:
    members: dict[str, JsonValue] = {"type": signature.certification_type}
    if signature.certification_type != PCK_CERTIFICATE_CHAIN:
        return members
    try:
        members["certificates"] = certificates_members(signature.certification_data.rstrip(b"\0"))
    except MalformedEvidenceError as error:
        members["problem"] = error.message
    return members
