from __future__ import annotations

import hashlib

from assay.claims import ClaimIssuer
from assay.claims.names import claim_names
from assay.endorsements.tcb import TcbStatus
from assay.evidence.dcap.memory import DcapMemory
from assay.evidence.dcap.verify import DcapVerification
from assay.evidence.sgx import VerifiedSgxQuote, extract_claims, parse_quote, verify_quote
from assay.simulator import SimulatedPlatform
from tests.conftest import AT

_KSS = 0x85


def _verified(platform: SimulatedPlatform, quote: bytes) -> VerifiedSgxQuote:
    context = DcapVerification(
        collateral=platform.collateral(AT),
        at=AT,
        roots=platform.anchors,
        memory=DcapMemory(platform.anchors),
    )
    return verify_quote(parse_quote(quote), context)


def test_token_claims_are_the_fields_of_the_quote(platform: SimulatedPlatform) -> None:
    quote = platform.quote(
        report_data=b"\x01" * 64,
        mr_enclave=b"\x02" * 32,
        mr_signer=b"\x03" * 32,
        isv_prod_id=4,
        isv_svn=5,
        debug=True,
    )

    claims = extract_claims(_verified(platform, quote), quote)

    assert dict(claims.token) | {"x-ms-sgx-collateral": 0, "maa-attestationcollateral": 0} == {
        "x-ms-attestation-type": "sgx",
        "x-ms-sgx-is-debuggable": True,
        "x-ms-sgx-mrenclave": "02" * 32,
        "x-ms-sgx-mrsigner": "03" * 32,
        "x-ms-sgx-product-id": 4,
        "x-ms-sgx-report-data": "01" * 64,
        "x-ms-sgx-svn": 5,
        "x-ms-sgx-collateral": 0,
        "maa-attestationcollateral": 0,
    }


def test_collateral_claims_are_the_hashes_of_what_was_served(
    platform: SimulatedPlatform,
) -> None:
    quote, collateral = platform.quote(), platform.collateral(AT)

    claims = extract_claims(_verified(platform, quote), b"envelope" + quote)

    def digest(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    body = (
        b'{"tcbInfo":'
        + collateral.tcb_info
        + b',"signature":"'
        + collateral.tcb_info_signature.hex().encode()
        + b'"}'
    )
    hashes = claims.token["x-ms-sgx-collateral"]
    assert isinstance(hashes, dict)
    assert hashes["quotehash"] == digest(b"envelope" + quote)
    assert hashes["tcbinfohash"] == digest(body)
    assert hashes["tcbinfocertshash"] == digest(collateral.tcb_info_issuer_chain)
    assert hashes["qeidcertshash"] == digest(collateral.qe_identity_issuer_chain)
    assert hashes["tcbinfocrlhash"] == hashes["qeidcrlhash"]
    assert claims.token["maa-attestationcollateral"] == hashes


def test_enclaves_with_key_separation_have_its_four_claims(platform: SimulatedPlatform) -> None:
    quote = platform.quote(
        flags=_KSS,
        config_id=b"\x0a" * 64,
        config_svn=11,
        isv_ext_prod_id=b"\x0c" * 16,
        isv_family_id=b"\x0d" * 16,
    )

    claims = extract_claims(_verified(platform, quote), quote)

    assert claims.token["x-ms-sgx-config-id"] == "0a" * 64
    assert claims.token["x-ms-sgx-config-svn"] == 11
    assert claims.token["x-ms-sgx-isv-extended-product-id"] == "0c" * 16
    assert claims.token["x-ms-sgx-isv-family-id"] == "0d" * 16


def test_policies_see_the_tcb_and_every_advisory() -> None:
    platform = SimulatedPlatform.create(
        AT, status=TcbStatus.OUT_OF_DATE, advisory_ids=("INTEL-SA-00001", "INTEL-SA-00002")
    )
    quote = platform.quote()
    verified = _verified(platform, quote)

    incoming = extract_claims(verified, quote).incoming

    seen = [(claim.type, claim.value) for claim in incoming if claim.type.startswith("x-assay-")]
    assert seen == [
        ("x-assay-tcb-status", "OutOfDate"),
        ("x-assay-tcb-date", verified.tcb.tcb_date_text),
        ("x-assay-evaluation-number", verified.tcb.evaluation_number),
        ("x-assay-advisory-ids", "INTEL-SA-00001"),
        ("x-assay-advisory-ids", "INTEL-SA-00002"),
    ]


def test_incoming_claims_are_those_of_the_catalogue_and_the_services(
    platform: SimulatedPlatform,
) -> None:
    quote = platform.quote(flags=_KSS)

    incoming = extract_claims(_verified(platform, quote), quote).incoming

    catalogue = claim_names("SgxEnclave")
    for claim in incoming:
        assert catalogue[claim.type].incoming, claim.type
        assert catalogue[claim.type].value_type is claim.value_type, claim.type
        assert claim.issuer is ClaimIssuer.SERVICE
    aliases = {claim.type: claim.value for claim in incoming if claim.type.startswith("$")}
    assert aliases == {
        "$is-debuggable": False,
        "$product-id": 0,
        "$sgx-mrsigner": "5aa5" * 16,
        "$sgx-mrenclave": "a55a" * 16,
        "$svn": 0,
        "$tee": "sgx",
    }
