"""Attestation by a running service, for asyncio."""

from __future__ import annotations

from types import TracebackType
from typing import Self, final

from assay.client import attest_calls
from assay.client.aio.credentials import AsyncTokenCredential
from assay.client.aio.instance import AsyncInstance
from assay.client.aio.transport import AsyncTransport
from assay.client.answers import read_data
from assay.client.attest_calls import HeldAlong, SnpEvidence
from assay.client.attestation_data import AttestationData
from assay.client.attestation_result import AttestationResult, read_attestation
from assay.client.attestation_type import AttestationType
from assay.client.client_certificate import ClientCertificate
from assay.client.connection import Connection
from assay.client.endpoint import Endpoint
from assay.client.openid_metadata import OpenIdMetadata, get_metadata, read_metadata
from assay.client.options import ClientOptions
from assay.client.response import AttestationResponse
from assay.client.sealed_token import SealedToken, read_sealed_token
from assay.client.signer import AttestationSigner
from assay.client.token_validation import TokenValidationOptions


@final
class AttestationClient:
    """Has evidence judged by one instance of a service: Assay, or whatever speaks as MAA does.

    Tokens are validated before they are returned: signed by a key that the instance publishes,
    issued by it, valid now. `validation` changes that, for the client or for one call.

    May be used by many tasks of one event loop at a time; make one and share it. It opens
    connections when it is first used, keeps them, and lets go of them at the end of an
    `async with` block or by `close()`. Every method raises `AttestationError` where there is no
    result, and `RequestError` where the arguments make no request.
    """

    def __init__(
        self,
        endpoint: str,
        credential: AsyncTokenCredential | ClientCertificate | None = None,
        *,
        options: ClientOptions | None = None,
        validation: TokenValidationOptions | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        """A client of an instance. Nothing is sent yet.

        Args:
            endpoint: The instance's URL, which is the issuer of its tokens.
            credential: Who calls. Attesting is open to everybody, but for TPMs.
            options: How the service is reached.
            validation: What tokens must satisfy.
            transport: What carries requests in place of the network.

        Raises:
            RequestError: `endpoint` is no URL of an instance, or the credential must not be sent
                there.
        """
        connection = Connection(
            endpoint=Endpoint.parse(endpoint),
            options=options or ClientOptions(),
            validation=validation or TokenValidationOptions(),
        )
        self._instance = AsyncInstance(connection, credential, transport)

    @property
    def endpoint(self) -> str:
        """The instance's URL, without a trailing slash."""
        return self._instance.connection.endpoint.url

    async def attest_sgx_enclave(
        self,
        quote: bytes,
        *,
        runtime_data: AttestationData | bytes | None = None,
        init_time_data: AttestationData | bytes | None = None,
        draft_policy: str | None = None,
        nonce: str | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[AttestationResult]:
        """Attest an SGX enclave.

        Args:
            quote: Of SGX, version 3 or later, with its certificates.
            runtime_data: What the enclave hashed into its report data: binary, if it is bytes.
            init_time_data: What was hashed into the configuration id.
            draft_policy: Text of a policy to try in place of the instance's own. The token has
                no signature then, and proves nothing.
            nonce: Comes back in the token. Evidence does not vouch for it.
            validation: In place of the client's, for this call.
        """
        along = HeldAlong(
            runtime_data=runtime_data,
            init_time_data=init_time_data,
            draft_policy=draft_policy,
            nonce=nonce,
        )
        return await self._attest(AttestationType.SGX_ENCLAVE, quote, along, validation)

    async def attest_open_enclave(
        self,
        report: bytes,
        *,
        runtime_data: AttestationData | bytes | None = None,
        init_time_data: AttestationData | bytes | None = None,
        draft_policy: str | None = None,
        nonce: str | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[AttestationResult]:
        """Attest an enclave by its Open Enclave report or evidence.

        Args:
            report: As `oe_get_report` or `oe_get_evidence` makes it.
            runtime_data: As with `attest_sgx_enclave`, like the rest.
            init_time_data: The same.
            draft_policy: The same.
            nonce: The same.
            validation: The same.
        """
        along = HeldAlong(
            runtime_data=runtime_data,
            init_time_data=init_time_data,
            draft_policy=draft_policy,
            nonce=nonce,
        )
        return await self._attest(AttestationType.OPEN_ENCLAVE, report, along, validation)

    async def attest_sev_snp(
        self,
        evidence: SnpEvidence | bytes,
        *,
        runtime_data: AttestationData | bytes | None = None,
        init_time_data: AttestationData | bytes | None = None,
        draft_policy: str | None = None,
        nonce: str | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[AttestationResult]:
        """Attest an AMD SEV-SNP guest.

        Args:
            evidence: A report with its certificates, or the JSON document with both that a guest
                agent made.
            runtime_data: What was hashed into the report data. The original service takes JSON
                only here.
            init_time_data: What was hashed into the host data.
            draft_policy: As with `attest_sgx_enclave`, like the rest.
            nonce: The same.
            validation: The same.
        """
        along = HeldAlong(
            runtime_data=runtime_data,
            init_time_data=init_time_data,
            draft_policy=draft_policy,
            nonce=nonce,
        )
        document = evidence.to_json() if isinstance(evidence, SnpEvidence) else evidence
        return await self._attest(AttestationType.SEV_SNP_VM, document, along, validation)

    async def attest_tdx(
        self,
        quote: bytes,
        *,
        runtime_data: AttestationData | bytes | None = None,
        init_time_data: AttestationData | bytes | None = None,
        nonce: str | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[AttestationResult]:
        """Attest an Intel TDX guest. The protocol has no draft policies for these.

        Args:
            quote: Of a TD, version 4 or 5.
            runtime_data: What was hashed into the report data.
            init_time_data: As the service wants it.
            nonce: As with `attest_sgx_enclave`.
            validation: The same.
        """
        along = HeldAlong(runtime_data=runtime_data, init_time_data=init_time_data, nonce=nonce)
        return await self._attest(AttestationType.TDX_VM, quote, along, validation)

    async def attest_tpm(self, request: bytes | str) -> bytes:
        """Exchange one message of the TPM protocol, which takes several.

        Args:
            request: A JSON object with the member `payload`.

        Returns:
            The service's message: a JSON object, which is not signed as a whole.
        """
        call = attest_calls.attest_tpm(request, self._instance.version)
        return read_data(await self._instance.send(call), "data")

    async def attest_azure_guest(
        self, information: bytes | str, *, draft_policy: str | None = None
    ) -> SealedToken:
        """Attest a guest of Azure by what its virtual TPM says.

        Args:
            information: The JSON object that the guest agent gathers.
            draft_policy: As with `attest_sgx_enclave`.

        Returns:
            A token that this guest's TPM has to open; validate it then.
        """
        call = attest_calls.attest_azure_guest(information, draft_policy, self._instance.version)
        return read_sealed_token(await self._instance.send(call))

    async def get_signing_certificates(self) -> tuple[AttestationSigner, ...]:
        """The keys that the instance publishes, trusted as far as the connection is.

        They are kept for an hour.
        """
        return await self._instance.signers()

    async def get_openid_metadata(self) -> OpenIdMetadata:
        """The instance's OpenID metadata."""
        return read_metadata(await self._instance.send(get_metadata()))

    async def close(self) -> None:
        """Close the connections."""
        await self._instance.close()

    async def __aenter__(self) -> Self:
        """The client itself; its connections are closed at the end."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.close()

    async def _attest(
        self,
        kind: AttestationType,
        evidence: bytes,
        along: HeldAlong,
        validation: TokenValidationOptions | None,
    ) -> AttestationResponse[AttestationResult]:
        return await self._instance.ask(
            attest_calls.attest_evidence(kind, evidence, along, self._instance.version),
            read_attestation,
            validation,
            draft=along.draft_policy is not None,
        )
