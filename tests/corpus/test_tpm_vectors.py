"""Quotes, certifications, names and chains of real and made TPMs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay.endorsements.tpm import microsoft_tpm_roots, tpm_anchors
from assay.errors import AssayError, MalformedEvidenceError, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import parse_quote
from assay.evidence.tpm.signature import parse_signature, verify_signature
from assay.evidence.tpm.verify import (
    EK_PROFILE,
    QuoteRules,
    SignedStructure,
    verify_aik_certificate,
    verify_certification,
    verify_quote,
)
from assay.x509.path import PathAnchors, read_certificate, verify_path
from tests.corpus.tpm import VectorCheck, checks, public_area

ANY_HASH = frozenset(HashAlgorithm)


def _verify(check: VectorCheck, rules: QuoteRules) -> None:
    verify_quote(
        SignedStructure(attest=check.data("attest"), signature=check.signature),
        check.key,
        pcrs=check.pcrs,
        extra_data=bytes.fromhex(check.members["nonce"]),
        rules=rules,
    )


def _code(error: pytest.ExceptionInfo[AssayError]) -> str:
    return error.value.findings[0].check


@pytest.mark.parametrize("check", checks("quote"))
def test_quotes_verify_unless_they_are_of_sha1_alone(check: VectorCheck) -> None:
    rules = QuoteRules(required_pcrs=0, hashes=ANY_HASH)

    if set(check.pcrs) == {HashAlgorithm.SHA1}:
        with pytest.raises(UntrustedEvidenceError) as refused:
            _verify(check, rules)
        assert _code(refused) == "tpm.quote.weak_bank"
    else:
        _verify(check, rules)


@pytest.mark.parametrize("check", checks("quote"))
def test_quotes_by_sha1_are_refused_by_default(check: VectorCheck) -> None:
    if parse_signature(check.signature).hash is not HashAlgorithm.SHA1:
        return

    with pytest.raises(UntrustedEvidenceError) as refused:
        _verify(check, QuoteRules(required_pcrs=0))

    assert _code(refused) == "tpm.signature.algorithm"


@pytest.mark.parametrize("check", checks("quote"))
def test_quotes_with_another_nonce_are_refused(check: VectorCheck) -> None:
    other = VectorCheck(check.folder, {**check.members, "nonce": check.members["nonce"] + "00"})

    with pytest.raises(UntrustedEvidenceError) as refused:
        _verify(other, QuoteRules(required_pcrs=0, hashes=ANY_HASH))

    assert _code(refused) == "tpm.quote.nonce"


@pytest.mark.parametrize("check", checks("quote_fail"))
def test_a_quote_over_no_pcrs_is_refused(check: VectorCheck) -> None:
    with pytest.raises(UntrustedEvidenceError) as refused:
        _verify(check, QuoteRules(required_pcrs=0))

    assert _code(refused) == "tpm.quote.no_pcrs"


@pytest.mark.parametrize("check", checks("attest_fail"))
def test_what_is_no_quote_of_a_tpm_2_is_refused(check: VectorCheck) -> None:
    with pytest.raises(MalformedEvidenceError) as refused:
        parse_quote(check.data("attest"))

    assert _code(refused) == "tpm.attest.format"


@pytest.mark.parametrize("check", checks("sig"))
def test_signatures_verify(check: VectorCheck) -> None:
    verify_signature(
        check.key, parse_signature(check.signature), check.data("msg"), check="tpm.quote.signature"
    )


@pytest.mark.parametrize("check", checks("certify"))
def test_certifications_verify_where_sha1_is_let_pass(check: VectorCheck) -> None:
    sent = SignedStructure(attest=check.data("attest"), signature=check.signature)
    public = check.data("object")

    verified = verify_certification(
        sent,
        check.key,
        public=public,
        certified=public_area(public).key,
        extra_data=bytes.fromhex(check.members["nonce"]),
        hashes=ANY_HASH,
    )

    assert verified.certification.name == verified.public.name
    assert parse_signature(check.signature).hash is HashAlgorithm.SHA1


@pytest.mark.parametrize("check", checks("name"))
def test_names_are_those_that_the_tpm_gave(check: VectorCheck) -> None:
    assert public_area(check.file(check.members["pub"]["tpmt"])).name.hex() == check.members["name"]


@pytest.mark.parametrize("check", checks("qualified_signer"))
def test_qualified_names_are_those_in_the_quote(check: VectorCheck) -> None:
    handle, *path = check.members["path"]
    qualified = int(handle, 16).to_bytes(4, "big")
    for name in path:
        qualified = public_area(check.file(name)).qualified_name(qualified)

    assert parse_quote(check.file(check.members["attest"])).qualified_signer == qualified


@pytest.mark.parametrize("check", checks("aikchain"))
def test_certificates_of_attestation_keys_lead_to_microsofts_root(check: VectorCheck) -> None:
    leaf, intermediate = x509.load_pem_x509_certificates(check.file(check.members["chain"]))[:2]
    anchors = tpm_anchors(intermediates=[intermediate.public_bytes(Encoding.DER)])
    der = leaf.public_bytes(Encoding.DER)
    within = leaf.not_valid_before_utc
    key = leaf.public_key()

    path = verify_aik_certificate(der, key, anchors=anchors, at=within)  # type: ignore[arg-type]

    assert path[-1] in microsoft_tpm_roots()
    with pytest.raises(UntrustedEvidenceError) as late:
        verify_aik_certificate(
            der,
            key,  # type: ignore[arg-type]
            anchors=anchors,
            at=datetime(2039, 1, 1, tzinfo=UTC),
        )
    assert _code(late) == "tpm.aik_certificate.cert_expired"
    with pytest.raises(UntrustedEvidenceError) as alone:
        verify_aik_certificate(der, key, anchors=tpm_anchors(), at=within)  # type: ignore[arg-type]
    assert _code(alone) == "tpm.aik_certificate.root_untrusted"


@pytest.mark.parametrize("check", checks("ekchain"))
def test_the_certificate_of_an_endorsement_key_leads_to_its_makers_root(check: VectorCheck) -> None:
    authorities = x509.load_pem_x509_certificates(check.file(check.members["ca"]))
    roots = tuple(one for one in authorities if one.issuer == one.subject)
    leaf = read_certificate(check.file(check.members["cert"]), EK_PROFILE)

    path = verify_path(
        leaf,
        EK_PROFILE,
        anchors=PathAnchors(roots=roots, intermediates=tuple(authorities)),
        at=leaf.not_valid_before_utc,
    )

    assert path[-1] in roots
    assert public_area(check.file(check.members["ek"])).key == leaf.public_key()
