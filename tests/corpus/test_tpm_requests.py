"""Attestation requests of swtpm, whole: good ones, and those that are wrong in one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from assay.claims import Claim
from assay.encoding import decode_base64url
from assay.endorsements.tpm import tpm_anchors
from assay.errors import AssayError
from assay.evidence.tpm.claims import extract_tpm_claims
from assay.evidence.tpm.evidence_verify import VerifiedTpmEvidence, verify_evidence
from assay.evidence.tpm.request_parse import parse_tpm_request
from assay.evidence.tpm.request_verify import Binding, RequestRules
from assay.evidence.tpm.verify import ALL_PCRS, QuoteRules
from assay.x509.path import PathAnchors
from tests.conftest import AT

NEGATIVES: Final = {
    "pcr-value-changed": "tpm.quote.pcr_digest",
    "pcr-missing": "tpm.quote.pcr_selection",
    "pcr-bank-not-covered": "tpm.quote.pcr_selection",
    "pcr-duplicate-index": "tpm.request.format",
    "log-truncated": "tpm.event_log.replay",
    "log-data-only-changed": "tpm.event_log.event_data",
    "wrong-challenge": "tpm.request.challenge",
    "challenge-replaced": "tpm.quote.nonce",
    "jwk-reserialised": "tpm.quote.nonce",
    "request-key-swapped": "tpm.quote.nonce",
    "request-key-unbound": "tpm.request_key.unbound",
    "jws-signature-by-other-key": "tpm.request.signature",
    "jws-alg-rs256": "tpm.request.jws",
    "jws-alg-none": "tpm.request.jws",
    "jws-typ-v1": "tpm.request.format",
    "hash-alg-sha1": "tpm.request.format",
    "three-other-keys": "tpm.request.format",
    "other-key-quote-bound": "tpm.request.format",
    "aik-pub-mismatch": "tpm.aik_certificate.key_mismatch",
    "duplicate-json-member": "tpm.request.format",
    "base64-padded": "tpm.request.format",
    "quote-signature-bad": "tpm.quote.signature",
    "quote-trailing-byte": "tpm.attest.format",
    "software-aik-clientauth-cert": "tpm.aik_certificate.purpose",
    "software-aik-selfsigned": "tpm.aik_certificate.root_untrusted",
}


@pytest.fixture(scope="module")
def folder(vectors: Path) -> Path:
    return vectors / "tpm" / "swtpm"


@pytest.fixture(scope="module")
def anchors(folder: Path) -> PathAnchors:
    root, intermediate = (
        (folder / f"test-aik-{name}.pem").read_bytes() for name in ("root", "intermediate")
    )
    return tpm_anchors([root], [intermediate])


def _verify(
    text: str,
    challenge: bytes,
    anchors: PathAnchors,
    *,
    certified: bool = True,
    mask: int = ALL_PCRS,
) -> VerifiedTpmEvidence:
    rules = RequestRules(
        challenge=challenge,
        anchors=anchors,
        require_aik_certificate=certified,
        quote=QuoteRules(required_pcrs=mask),
        at=AT,
    )
    return verify_evidence(parse_tpm_request(text), rules)


def _request(folder: Path, name: str) -> tuple[str, bytes]:
    (check, *_) = json.loads((folder / f"{name}.json").read_bytes())["checks"]
    return (folder / f"{name}.jws").read_text().strip(), bytes.fromhex(check["challenge"])


def _claims(evidence: VerifiedTpmEvidence) -> dict[str, Claim]:
    return {claim.type: claim for claim in extract_tpm_claims(evidence)}


@pytest.mark.parametrize("name", NEGATIVES)
def test_a_request_that_is_wrong_in_one_thing_is_refused_for_it(
    name: str, folder: Path, anchors: PathAnchors
) -> None:
    case = json.loads((folder / "s1-negatives.data").read_bytes())[name]

    with pytest.raises(AssayError) as refused:
        _verify(case["jws"], bytes.fromhex(case["challenge"]), anchors)

    assert [finding.check for finding in refused.value.findings] == [NEGATIVES[name]]


def test_every_wrong_request_has_its_finding_here(folder: Path) -> None:
    assert json.loads((folder / "s1-negatives.data").read_bytes()).keys() == NEGATIVES.keys()


def _messages(folder: Path) -> list[dict[str, Any]]:
    exchange = json.loads((folder / "s1-exchange.data").read_bytes())
    found = []
    for step in exchange:
        data = decode_base64url(json.loads(step["body"])["data"], "data")
        found.append(json.loads(data)["payload"])
    return found


def test_the_request_of_a_whole_exchange_verifies(folder: Path, anchors: PathAnchors) -> None:
    init, challenge, request, _ = _messages(folder)

    evidence = _verify(
        request["request"], decode_base64url(challenge["challenge"], "challenge"), anchors
    )

    assert init == {"type": "aikcert"}
    assert evidence.binding is Binding.QUOTE
    assert _claims(evidence)["aikValidated"].value is True


def test_a_key_that_the_tpm_certified_is_bound_to_it(folder: Path, anchors: PathAnchors) -> None:
    text, challenge = _request(folder, "s2-linux-certified")
    expected = json.loads((folder / "s2-policy-keys.data").read_bytes())

    evidence = _verify(text, challenge, anchors, certified=False, mask=0xFFFF)

    claims = _claims(evidence)
    assert evidence.binding is Binding.CERTIFY
    assert json.loads(str(claims["x-ms-tpm-request-key"].value)) == expected["request_key"]
    assert json.loads(str(claims["x-ms-tpm-other-keys"].value)) == expected["other_keys"]
    assert claims["aikValidated"].value is False


def test_a_boot_before_a_hibernation_is_part_of_the_evidence(
    folder: Path, anchors: PathAnchors
) -> None:
    evidence = _verify(*_request(folder, "s3-hibernate"), anchors)

    assert evidence.boot is not None
    assert "bootEvents" in _claims(evidence)


def test_a_boot_before_a_cold_boot_is_not(folder: Path, anchors: PathAnchors) -> None:
    with pytest.raises(AssayError) as refused:
        _verify(*_request(folder, "s3-coldboot"), anchors)

    assert [finding.check for finding in refused.value.findings] == ["tpm.boot.cycle"]


def test_a_request_of_the_first_version_verifies_with_a_key_that_nothing_binds(
    folder: Path, anchors: PathAnchors
) -> None:
    evidence = _verify(*_request(folder, "s9-v1"), anchors, certified=False)

    assert _claims(evidence)["x-assay-request-key-binding"].value == "none"
    assert evidence.boot is None


def test_an_enclave_says_what_it_is(folder: Path, anchors: PathAnchors) -> None:
    facts = json.loads((folder / "s10-vbs.json").read_bytes())["facts"]["report"]

    evidence = _verify(*_request(folder, "s10-vbs"), anchors, certified=False)

    claims = _claims(evidence)
    assert claims["vbsReportPresent"].value is True
    assert claims["enclaveSvn"].value == facts["EnclaveSvn"]
    author = decode_base64url(str(claims["enclaveAuthorId"].value), "author")
    assert author.hex() == facts["AuthorId"]
