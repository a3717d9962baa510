"""An instance as both clients call it: credentials, repetitions, validation of its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from assay.client.answers import check_answer, read_token
from assay.client.attestation_token import AttestationToken
from assay.client.bearer import BearerTokens
from assay.client.call import Call
from assay.client.client_certificate import ClientCertificate
from assay.client.connection import Connection, check_token, lacks_key, split_credential
from assay.client.credentials import TokenCredential
from assay.client.errors import AuthenticationError, TokenValidationError
from assay.client.http import HttpResponse
from assay.client.kept_signers import SignerCache
from assay.client.openid_metadata import get_keys
from assay.client.response import AttestationResponse
from assay.client.retry import retry_arguments
from assay.client.signer import AttestationSigner
from assay.client.telemetry import Observation, observed
from assay.client.token_validation import TokenValidationOptions, needs_signers
from assay.client.transport import HttpTransport, Transport

T = TypeVar("T")


@final
class Instance:
    """One instance of a service, over one transport."""

    def __init__(
        self,
        connection: Connection,
        credential: TokenCredential | ClientCertificate | None,
        transport: Transport | None,
    ) -> None:
        """An instance.

        Raises:
            RequestError: The credential must not be sent to this address.
        """
        tokens, certificate = split_credential(
            connection.endpoint, credential, own_transport=transport is not None
        )
        self.connection = connection
        self._bearer = None if tokens is None else BearerTokens(tokens, connection.options.scope)
        self._transport = transport or HttpTransport(connection.options, certificate=certificate)
        self._signers = SignerCache(lambda: self.send(get_keys()))

    @property
    def version(self) -> str | None:
        """Of the protocol, where the caller wants a certain one."""
        return self.connection.options.api_version

    def send(self, call: Call) -> HttpResponse:
        """The answer to a call, after as many attempts as make sense.

        Raises:
            AttestationError: There is none.
        """
        from tenacity import Retrying

        with observed(call, self.connection.endpoint) as observation:
            retrying = Retrying(**retry_arguments(call, self.connection.options.retry))
            return retrying(self._attempt, call, observation)

    def ask(
        self,
        call: Call,
        read: Callable[[AttestationToken], T],
        validation: TokenValidationOptions | None,
        *,
        draft: bool = False,
    ) -> AttestationResponse[T]:
        """What a token says that a call is answered with.

        Args:
            call: What is sent.
            read: From the validated token to the result.
            validation: In place of the client's own, for this call.
            draft: Whether the token will have no signature.

        Raises:
            AttestationError: There is no answer, or it is not to be believed.
        """
        token = read_token(self.send(call))
        self._validate(token, self.connection.applied(validation, draft=draft))
        return AttestationResponse(read(token), token)

    def signers(self) -> tuple[AttestationSigner, ...]:
        """The keys that the instance publishes.

        Raises:
            AttestationError: They cannot be had.
        """
        return self._signers.get().signers

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _validate(self, token: AttestationToken, options: TokenValidationOptions) -> None:
        if not needs_signers(token, options):
            check_token(token, options, None)
            return
        signers = self._signers.get()
        try:
            check_token(token, options, signers)
        except TokenValidationError as error:
            if not lacks_key(error):
                raise
            check_token(token, options, self._signers.get(unlike=signers))

    def _attempt(self, call: Call, observation: Observation) -> HttpResponse:
        observation.attempt()
        token = None if self._bearer is None else self._bearer.token()
        response = self._transport.send(self.connection.request(call, observation, token))
        observation.answered(response)
        try:
            return check_answer(response)
        except AuthenticationError:
            if self._bearer is not None and token is not None:
                self._bearer.forget(token)
            raise
