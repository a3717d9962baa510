from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from assay.claims import Claim
from assay.encoding import encode_base64url
from assay.errors import UntrustedEvidenceError
from assay.evidence.tpm.algorithms import STRONG_HASHES, HashAlgorithm
from assay.evidence.tpm.claims import extract_tpm_claims
from assay.evidence.tpm.documents import events_document
from assay.evidence.tpm.evidence_verify import verify_evidence
from assay.evidence.tpm.request_parse import parse_tpm_request
from assay.evidence.tpm.request_verify import Binding
from assay.evidence.tpm.signature import parse_signature, same_key, verify_signature
from assay.simulator.faults.tpm_attempt import tpm_attempt
from assay.simulator.tpm.platform import FIRST_CLOCK, jwk
from assay.simulator.tpm.request import (
    CHALLENGE,
    Measurements,
    certified_info,
    draft_v1,
    draft_v2,
)
from assay.simulator.tpm.structures import SIGNING_ATTRIBUTES, PrivateKey, public_area, sign
from assay.simulator.windows_boot import windows_boot
from tests.tpm import simulated_tpm

_KEY = simulated_tpm().aik
_CURVE_KEYS = [ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1())]


@pytest.mark.parametrize("hash_algorithm", sorted(STRONG_HASHES))
@pytest.mark.parametrize("key", [_KEY, *_CURVE_KEYS], ids=["rsa", "p256", "p384"])
@pytest.mark.parametrize("pss", [False, True])
def test_signatures_of_every_scheme_verify_and_are_of_their_bytes_alone(
    hash_algorithm: HashAlgorithm, key: PrivateKey, *, pss: bool
) -> None:
    signature = parse_signature(sign(key, b"signed", hash_algorithm=hash_algorithm, pss=pss))

    verify_signature(key.public_key(), signature, b"signed", check="tpm.quote.signature")
    with pytest.raises(UntrustedEvidenceError):
        verify_signature(key.public_key(), signature, b"other", check="tpm.quote.signature")


def test_keys_are_the_same_by_kind_and_numbers() -> None:
    first, second = (key.public_key() for key in _CURVE_KEYS)

    assert same_key(first, _CURVE_KEYS[0].public_key())
    assert not same_key(first, second)
    assert not same_key(first, _KEY.public_key())
    assert not same_key(_KEY.public_key(), first)


def test_what_the_tpm_says_of_certified_keys_is_in_their_view() -> None:
    draft = draft_v2(simulated_tpm(), certified=True)
    key = jwk(simulated_tpm().request_key.public_key())
    draft.data["other_keys"] = [
        {"jwk": key, "info": {"tpm_certify": certified_info(simulated_tpm(), CHALLENGE)}},
        {"jwk": key},
    ]
    attempt = tpm_attempt(simulated_tpm(), draft.sign())

    evidence = verify_evidence(parse_tpm_request(attempt.text), attempt.rules)

    assert evidence.binding is Binding.CERTIFY
    assert evidence.request_key_view["info"] == {
        "tpm_certify": {"name_alg": 11, "obj_attr": 0x40072}
    }
    assert evidence.other_keys_text.count('"tpm_certify"') == 1
    assert Claim("x-ms-tpm-other-keys", evidence.other_keys_text) in extract_tpm_claims(evidence)


def test_a_policy_of_a_certified_key_is_in_its_view() -> None:
    tpm = simulated_tpm()
    draft = draft_v2(tpm, certified=True)
    public = public_area(
        tpm.request_key.public_key(), attributes=SIGNING_ATTRIBUTES, auth_policy=bytes(32)
    )
    certified = tpm.certify(public, CHALLENGE)
    draft.data["request_key"]["info"]["tpm_certify"] = {
        "public": encode_base64url(public),
        "certification": encode_base64url(certified.attest),
        "signature": encode_base64url(certified.signature),
    }
    attempt = tpm_attempt(tpm, draft.sign())

    evidence = verify_evidence(parse_tpm_request(attempt.text), attempt.rules)

    assert '"auth_policy":"AAAA' in evidence.request_key_text


def test_of_the_first_version_a_resumed_boot_is_told_from_the_one_before() -> None:
    boot = windows_boot()
    before = Measurements(pcrs=boot.registers(), logs=(("TCG", boot.encode()),))
    later = replace(
        before, clock=replace(FIRST_CLOCK, restart_count=1, clock=FIRST_CLOCK.clock + 1)
    )
    draft = draft_v1(simulated_tpm(), measured=later, boot=before)
    attempt = tpm_attempt(simulated_tpm(), draft.sign())

    evidence = verify_evidence(parse_tpm_request(attempt.text), attempt.rules)

    assert evidence.boot is not None
    assert evidence.boot.quote.quote.clock == FIRST_CLOCK
    claims = {claim.type: claim.value for claim in extract_tpm_claims(evidence)}
    assert claims["bootEvents"] == events_document(evidence.boot.log)
