from __future__ import annotations

import pytest

from assay.client import AttestationType, CertificateModification, PolicyModification
from assay.client.testing import (
    make_attestation_response,
    make_attestation_result,
    make_attestation_signer,
    make_certificates_modification_result,
    make_openid_metadata,
    make_policy_result,
    make_signing_key,
)
from assay.client.testing.example_claims import EXAMPLE_CLAIMS


@pytest.mark.parametrize("kind", EXAMPLE_CLAIMS)
def test_there_is_a_result_for_every_kind(kind: AttestationType) -> None:
    result = make_attestation_result(kind)

    typed = [result.sgx, result.sev_snp, result.tdx, result.azure_vm]
    assert [one for one in typed if one is not None] == [result.tee]
    assert (result.is_debuggable is None) == (kind is AttestationType.AZURE_GUEST)
    of_sgx = [
        result.svn,
        result.product_id,
        result.mr_enclave,
        result.mr_signer,
        result.sgx_collateral,
    ]
    assert {one is None for one in of_sgx} == {result.sgx is None}


def test_claims_can_be_chosen() -> None:
    response = make_attestation_response(claims={"x-ms-sgx-svn": 9, "nonce": "n"})

    assert (response.value.svn, response.value.nonce) == (9, "n")
    assert response.token.claims["x-ms-sgx-svn"] == 9


@pytest.mark.parametrize(
    ("tee", "isolated"), [({"x-ms-attestation-type": "other"}, False), (None, False)]
)
def test_a_guest_need_not_be_isolated(tee: object, *, isolated: bool) -> None:
    result = make_attestation_result(
        AttestationType.AZURE_GUEST,
        {"x-ms-isolation-tee": tee},  # type: ignore[dict-item]
    )

    assert result.azure_vm is not None
    assert (result.azure_vm.isolation is not None) is isolated


def test_a_guest_may_be_isolated_by_tdx() -> None:
    inner = dict(EXAMPLE_CLAIMS[AttestationType.TDX_VM])

    result = make_attestation_result(AttestationType.AZURE_GUEST, {"x-ms-isolation-tee": inner})

    assert result.azure_vm is not None
    assert result.azure_vm.isolation is not None
    assert result.azure_vm.isolation.is_debuggable is False


def test_policy_results_have_a_hash_where_there_is_a_policy() -> None:
    signer = make_attestation_signer()

    updated = make_policy_result(signer=signer)
    removed = make_policy_result(PolicyModification.REMOVED)

    assert (updated.signer, updated.token_hash) == (signer, bytes(32))
    assert removed.token_hash is None


def test_the_other_results() -> None:
    certificate = make_signing_key("x").certificate
    absent = make_certificates_modification_result(
        CertificateModification.IS_ABSENT, certificate=certificate
    )
    present = make_certificates_modification_result()

    assert absent.resolution is CertificateModification.IS_ABSENT
    assert absent.thumbprint != present.thumbprint
    assert make_openid_metadata().jwks_uri.endswith("/certs")
    assert make_signing_key("x") is make_signing_key("x")
