"""A program as a user of the client library writes it, for the type checker: nobody runs it."""

from __future__ import annotations

from typing import assert_type

from azure.core.credentials import TokenCredential
from azure.core.credentials_async import AsyncTokenCredential
from cryptography import x509

from assay.client import (
    AttestationAdministrationClient,
    AttestationClient,
    AttestationData,
    AttestationError,
    AttestationResponse,
    AttestationResult,
    AttestationSigner,
    AttestationSigningKey,
    AttestationToken,
    AttestationType,
    ClientOptions,
    OpenIdMetadata,
    PolicyCertificatesModificationResult,
    PolicyResult,
    RetryPolicy,
    SealedToken,
    SgxClaims,
    SnpEvidence,
    StaticTokenCredential,
    TokenValidationOptions,
    aio,
)
from assay.client.testing import (
    AsyncFakeTransport,
    FakeService,
    FakeTransport,
    make_attestation_result,
)


def attest(quote: bytes, url: str) -> str:
    options = ClientOptions(timeout_seconds=5, retry=RetryPolicy(attempts=2))
    validation = TokenValidationOptions(callback=lambda token, _signer: token.secured)
    try:
        with AttestationClient(url, options=options, validation=validation) as client:
            response = client.attest_sgx_enclave(quote, runtime_data=AttestationData.json("{}"))
            assert_type(response, AttestationResponse[AttestationResult])
            result, token = response
            assert_type(result, AttestationResult)
            assert_type(token, AttestationToken)
            assert_type(result.sgx, SgxClaims | None)
            assert_type(client.attest_tpm("{}"), bytes)
            assert_type(client.attest_azure_guest(b"{}"), SealedToken)
            assert_type(client.get_openid_metadata(), OpenIdMetadata)
            assert_type(client.get_signing_certificates(), tuple[AttestationSigner, ...])
            snp = SnpEvidence(report=b"", certificate_chain=b"")
            assert_type(client.attest_sev_snp(snp).value, AttestationResult)
    except AttestationError as error:
        assert_type(error.status, int | None)
        assert_type(error.retryable, bool)
        return error.code
    return result.sgx.mr_enclave if result.sgx is not None else ""


def administer(url: str, key: AttestationSigningKey, certificate: x509.Certificate) -> None:
    credential = StaticTokenCredential("secret")
    with AttestationAdministrationClient(url, credential) as client:
        kind = AttestationType.SGX_ENCLAVE
        assert_type(client.get_policy(kind).value, str | None)
        assert_type(client.set_policy(kind, "version= 1.0;", signing_key=key).value, PolicyResult)
        assert_type(client.reset_policy(kind).value, PolicyResult)
        changed = client.add_policy_management_certificate(certificate, signing_key=key)
        assert_type(changed.value, PolicyCertificatesModificationResult)


def administer_as_in_azure(url: str, credential: TokenCredential) -> str | None:
    with AttestationAdministrationClient(url, credential) as client:
        return client.get_policy(AttestationType.TPM).value


async def attest_asynchronously(
    report: bytes, url: str, credential: AsyncTokenCredential
) -> AttestationResult:
    async with aio.AttestationClient(url, credential) as client:
        response = await client.attest_open_enclave(report)
        assert_type(response, AttestationResponse[AttestationResult])
    return response.value


async def attest_without_a_network() -> AttestationResult:
    service = FakeService()
    AttestationClient(service.url, transport=FakeTransport(service)).attest_tdx(b"quote")
    client = aio.AttestationClient(service.url, transport=AsyncFakeTransport(service))
    await client.attest_tdx(b"quote")
    return make_attestation_result(AttestationType.TDX_VM)
