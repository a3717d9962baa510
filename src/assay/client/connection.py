"""What the clients of one instance have in common, whether they wait or await."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar, final

from assay import clock
from assay.client.attestation_token import AttestationToken
from assay.client.call import Call
from assay.client.client_certificate import ClientCertificate
from assay.client.endpoint import Endpoint
from assay.client.errors import TokenValidationError
from assay.client.http import HttpRequest
from assay.client.options import ClientOptions
from assay.client.signer import SignerSet
from assay.client.telemetry import Observation
from assay.client.token_validation import (
    KEY_UNKNOWN,
    TokenValidationOptions,
    for_instance,
    validate_token,
)
from assay.errors import RequestError

CredentialT = TypeVar("CredentialT")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How one instance is called, and what its tokens must be."""

    endpoint: Endpoint
    options: ClientOptions
    validation: TokenValidationOptions = field(default_factory=TokenValidationOptions)

    def request(self, call: Call, observation: Observation, token: str | None) -> HttpRequest:
        """A call, complete."""
        headers = {"user-agent": _user_agent(self.options.application), **observation.headers}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return HttpRequest(
            method=call.method,
            url=self.endpoint.url + call.path,
            headers=headers | dict(call.headers),
            body=call.body,
        )

    def applied(
        self, validation: TokenValidationOptions | None, *, draft: bool
    ) -> TokenValidationOptions:
        """How the tokens of one call are validated.

        Args:
            validation: For this call in place of the client's, if it is given.
            draft: Whether the token will be a draft policy's, which has no signature.
        """
        return for_instance(validation or self.validation, self.endpoint.url, draft=draft)


def split_credential(
    endpoint: Endpoint,
    credential: CredentialT | ClientCertificate | None,
    *,
    own_transport: bool,
) -> tuple[CredentialT | None, ClientCertificate | None]:
    """What gives tokens, and what TLS shows; one of them at most.

    Raises:
        RequestError: Tokens would be sent over plain HTTP to another machine, or a certificate
            was given that the caller's own transport would not show.
    """
    if credential is None:
        return None, None
    if not isinstance(credential, ClientCertificate):
        endpoint.require_confidential("an access token")
        return credential, None
    if own_transport:
        raise RequestError(
            "expected a client certificate or a transport of your own, got both; let the "
            "transport show the certificate"
        )
    return None, credential


def check_token(
    token: AttestationToken, options: TokenValidationOptions, signers: SignerSet | None
) -> None:
    """Validate a token, now or at the instant of the options.

    Args:
        token: As it came.
        options: What to check.
        signers: The instance's, where they are needed.

    Raises:
        TokenValidationError: A check failed.
    """
    known = SignerSet.of(()) if signers is None else signers
    validate_token(token, options, known, at=options.at or clock.now())


def lacks_key(error: TokenValidationError) -> bool:
    """Whether a newer key set may have the key. Keys rotate while clients live."""
    return any(finding.check == KEY_UNKNOWN for finding in error.findings)


@cache
def _user_agent(application: str) -> str:
    import platform
    from importlib.metadata import version

    own = f"assay/{version('assay')} python/{platform.python_version()}"
    return f"{application} {own}".strip()
