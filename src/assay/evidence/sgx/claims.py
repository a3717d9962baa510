"""What a verified SGX quote says, as MAA's claims.

Source: MAA claim sets (SGX attestation); names starting with `x-assay-` are Assay's own.
"""

from __future__ import annotations

import hashlib
from typing import Final

from assay.claims import Claim, ClaimSet
from assay.claims.names import DEPRECATED_NAMES
from assay.encoding import JsonValue
from assay.evidence.sgx.verify import VerifiedSgxQuote

ATTESTATION_TYPE: Final = "sgx"

HELD_DATA_CLAIMS: Final = ("aas-ehd", "maa-ehd", "x-ms-sgx-ehd")
"""The claims that binary runtime data becomes; the first two are deprecated twins."""


def extract_claims(verified: VerifiedSgxQuote, evidence: bytes) -> ClaimSet:
    """The claims of a verified quote.

    Args:
        verified: The quote.
        evidence: What was sent, which `quotehash` is about: with the Open Enclave header, if any.
    """
    facts = _facts(verified)
    incoming = [Claim(name, value) for name, value in facts.items()]
    incoming += [Claim(alias, facts[name]) for name, alias in DEPRECATED_NAMES.items()]
    incoming += _tcb_claims(verified)
    # Members in order, so that nothing has to be sorted for each token.
    hashes = verified.document_hashes
    collateral: dict[str, JsonValue] = {
        "qeidcertshash": hashes["qeidcertshash"],
        "qeidcrlhash": hashes["qeidcrlhash"],
        "qeidhash": hashes["qeidhash"],
        "quotehash": hashlib.sha256(evidence).hexdigest(),
        "tcbinfocertshash": hashes["tcbinfocertshash"],
        "tcbinfocrlhash": hashes["tcbinfocrlhash"],
        "tcbinfohash": hashes["tcbinfohash"],
    }
    return ClaimSet(
        incoming=tuple(incoming),
        token={
            **facts,
            "x-ms-sgx-collateral": collateral,
            "maa-attestationcollateral": collateral,
        },
    )


def _facts(verified: VerifiedSgxQuote) -> dict[str, str | int | bool]:
    body = verified.evidence.body
    facts: dict[str, str | int | bool] = {
        "x-ms-attestation-type": ATTESTATION_TYPE,
        "x-ms-sgx-is-debuggable": body.is_debuggable,
        "x-ms-sgx-mrenclave": body.mr_enclave.hex(),
        "x-ms-sgx-mrsigner": body.mr_signer.hex(),
        "x-ms-sgx-product-id": body.isv_prod_id,
        "x-ms-sgx-report-data": body.report_data.hex(),
        "x-ms-sgx-svn": body.isv_svn,
    }
    if body.has_key_separation:
        facts["x-ms-sgx-config-id"] = body.config_id.hex()
        facts["x-ms-sgx-config-svn"] = body.config_svn
        facts["x-ms-sgx-isv-extended-product-id"] = body.isv_ext_prod_id.hex()
        facts["x-ms-sgx-isv-family-id"] = body.isv_family_id.hex()
    return facts


def _tcb_claims(verified: VerifiedSgxQuote) -> list[Claim]:
    tcb = verified.tcb
    return [
        Claim("x-assay-tcb-status", tcb.status.value),
        Claim("x-assay-tcb-date", tcb.tcb_date_text),
        Claim("x-assay-evaluation-number", tcb.evaluation_number),
        *(Claim("x-assay-advisory-ids", advisory) for advisory in tcb.advisory_ids),
    ]
