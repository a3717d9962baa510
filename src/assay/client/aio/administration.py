"""Administration of a running service's instance by its owner, for asyncio."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from assay.client import owner_calls
from assay.client.aio.credentials import AsyncTokenCredential
from assay.client.aio.instance import AsyncInstance
from assay.client.aio.transport import AsyncTransport
from assay.client.attestation_token import AttestationToken
from assay.client.attestation_type import AttestationType
from assay.client.client_certificate import ClientCertificate
from assay.client.connection import Connection
from assay.client.endpoint import Endpoint
from assay.client.options import ClientOptions
from assay.client.owner_answers import (
    check_received,
    read_certificate_change,
    read_certificates,
    read_policy,
    read_policy_change,
)
from assay.client.policy_result import PolicyCertificatesModificationResult, PolicyResult
from assay.client.response import AttestationResponse
from assay.client.signer import AttestationSigner
from assay.client.signing_key import AttestationSigningKey
from assay.client.token_validation import TokenValidationOptions

if TYPE_CHECKING:
    from cryptography import x509


@final
class AttestationAdministrationClient:
    """Reads and changes the policies of one instance, and who may sign changes.

    Answers are tokens, which are validated like those of `AttestationClient`. May be used by many
    tasks of one event loop at a time; make one and share it. Every method raises
    `AttestationError` where there is no result, and `RequestError` where the arguments make no
    request.
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
            credential: Who calls. Only a service in development lets in callers without one.
            options: How the service is reached.
            validation: What answers must satisfy.
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

    async def get_policy(
        self, attestation_type: AttestationType, *, validation: TokenValidationOptions | None = None
    ) -> AttestationResponse[str | None]:
        """The text of a policy; nothing where none is set, as with `Tpm` at first.

        Args:
            attestation_type: Whose policy.
            validation: In place of the client's, for this call.
        """
        call = owner_calls.get_policy(attestation_type, self._instance.version)
        return await self._instance.ask(call, read_policy, validation)

    async def set_policy(
        self,
        attestation_type: AttestationType,
        policy: str | AttestationToken,
        *,
        signing_key: AttestationSigningKey | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[PolicyResult]:
        """Set a policy. What the service says that it received is compared with what was sent.

        Args:
            attestation_type: Whose policy.
            policy: Its text; or the token around it, where it was signed elsewhere.
            signing_key: Who signs the text. An isolated instance wants one of its signers.
            validation: In place of the client's, for this call.
        """
        token = owner_calls.policy_token(policy, signing_key)
        call = owner_calls.set_policy(attestation_type, token, self._instance.version)
        response = await self._instance.ask(call, read_policy_change, validation)
        check_received(response.value, token)
        return response

    async def reset_policy(
        self,
        attestation_type: AttestationType,
        *,
        signing_key: AttestationSigningKey | None = None,
        token: AttestationToken | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[PolicyResult]:
        """Go back to the default policy.

        Args:
            attestation_type: Whose policy.
            signing_key: Who signs the request. An isolated instance wants one of its signers.
            token: An empty token that was signed elsewhere, in place of a key.
            validation: In place of the client's, for this call.
        """
        sent = token or AttestationToken.create(signing_key=signing_key)
        call = owner_calls.reset_policy(attestation_type, sent, self._instance.version)
        return await self._instance.ask(call, read_policy_change, validation)

    async def get_policy_management_certificates(
        self, *, validation: TokenValidationOptions | None = None
    ) -> AttestationResponse[tuple[AttestationSigner, ...]]:
        """Whose signatures an isolated instance wants on changes; none, if it is not isolated.

        Args:
            validation: In place of the client's, for this call.
        """
        call = owner_calls.get_certificates(self._instance.version)
        return await self._instance.ask(call, read_certificates, validation)

    async def add_policy_management_certificate(
        self,
        certificate: x509.Certificate | AttestationToken,
        *,
        signing_key: AttestationSigningKey | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[PolicyCertificatesModificationResult]:
        """Let another certificate sign changes of an isolated instance.

        Args:
            certificate: The new one; or the token about it, where it was signed elsewhere.
            signing_key: One that may sign already.
            validation: In place of the client's, for this call.
        """
        token = owner_calls.certificate_token(certificate, signing_key)
        call = owner_calls.add_certificate(token, self._instance.version)
        return await self._instance.ask(call, read_certificate_change, validation)

    async def remove_policy_management_certificate(
        self,
        certificate: x509.Certificate | AttestationToken,
        *,
        signing_key: AttestationSigningKey | None = None,
        validation: TokenValidationOptions | None = None,
    ) -> AttestationResponse[PolicyCertificatesModificationResult]:
        """Let a certificate sign changes of an isolated instance no more.

        Args:
            certificate: The one; or the token about it, where it was signed elsewhere.
            signing_key: One that may sign, also the one that is removed.
            validation: In place of the client's, for this call.
        """
        token = owner_calls.certificate_token(certificate, signing_key)
        call = owner_calls.remove_certificate(token, self._instance.version)
        return await self._instance.ask(call, read_certificate_change, validation)

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
