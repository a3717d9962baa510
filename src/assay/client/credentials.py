"""Who calls: anything that gives access tokens, as the credentials of `azure-identity` do."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, final
from urllib.parse import quote_plus, urlencode

from assay import clock
from assay.client.endpoint import Endpoint
from assay.client.errors import CredentialError, ErrorAnswer
from assay.client.http import HttpRequest, HttpResponse
from assay.client.options import ClientOptions
from assay.client.transport import HttpTransport, Transport
from assay.encoding import EncodingError, JsonValue, parse_json_object
from assay.errors import RequestError

_OK: Final = 200
_TRANSIENT: Final = frozenset({429, 500, 502, 503, 504})
_DEFAULT_LIFETIME_SECONDS: Final = 300
"""Of a token whose issuer does not say; RFC 6749 section 5.1 only recommends that it does."""

_NEVER: Final = 1 << 40


class AccessTokenInfo(Protocol):
    """An access token and its end, as `azure.core.credentials.AccessToken` is one."""

    @property
    def token(self) -> str:
        """What is sent."""
        ...

    @property
    def expires_on(self) -> int:
        """When it ends, in seconds since 1970."""
        ...


class TokenCredential(Protocol):
    """Whatever gives access tokens; by several threads at a time."""

    def get_token(self, *scopes: str) -> AccessTokenInfo:
        """A token for these scopes."""
        ...


@final
@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token and its end."""

    token: str = field(repr=False)
    expires_on: int
    """In seconds since 1970."""


@final
@dataclass(frozen=True, slots=True)
class StaticTokenCredential:
    """A token that somebody made before, such as an API token of Assay."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no token.

        Raises:
            RequestError: It is empty, or has characters that no header can have.
        """
        if not is_header_text(self.token):
            raise RequestError(
                "expected an access token, got an empty text or one with other characters; "
                "check for a line end behind it"
            )

    def get_token(self, *_scopes: str) -> AccessToken:
        """The token, whatever the scopes."""
        return AccessToken(self.token, _NEVER)


def is_header_text(token: object) -> bool:
    """Whether a header can hold it. If not, the HTTP client would show it in its error."""
    return isinstance(token, str) and token != "" and token.isascii() and token.isprintable()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """A client's registration at an OAuth 2.0 authorization server.

    Source: RFC 6749 sections 2.3.1 and 4.4.
    """

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    method: Literal["post", "basic"] = "post"
    """Where the secret stands: in the body, as Entra ID has it, or in `Authorization`."""

    def __post_init__(self) -> None:
        """Refuse to send the secret where others can read it.

        Raises:
            RequestError: The address is plain HTTP and not of this machine, or none.
        """
        Endpoint.parse(self.token_url).require_confidential("a client secret")

    def request(self, scopes: tuple[str, ...]) -> HttpRequest:
        """The request for a token."""
        form = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
        headers = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
        }
        if self.method == "basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return HttpRequest(
            method="POST",
            url=self.token_url,
            headers=headers,
            body=urlencode(form).encode("ascii"),
        )


@final
class ClientSecretCredential:
    """The OAuth 2.0 client credentials grant."""

    def __init__(
        self,
        client: ClientSecret,
        *,
        options: ClientOptions | None = None,
        transport: Transport | None = None,
    ) -> None:
        """A credential by a client's registration.

        Args:
            client: The registration.
            options: How the authorization server is reached.
            transport: What carries requests in place of the network.
        """
        self._client = client
        self._transport = transport or HttpTransport(options)

    def get_token(self, *scopes: str) -> AccessToken:
        """A new token for these scopes.

        Raises:
            CredentialError: The server refused, or its answer is none.
            TransportError: It does not answer.
        """
        return read_access_token(self._transport.send(self._client.request(scopes)))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def read_access_token(response: HttpResponse) -> AccessToken:
    """The token of an authorization server's answer.

    Raises:
        CredentialError: It refused, or its answer has none.
    """
    try:
        members = parse_json_object(response.body, "answer")
    except EncodingError:
        members = {}
    token, kind = members.get("access_token"), members.get("token_type")
    if response.status != _OK or not isinstance(token, str) or str(kind).lower() != "bearer":
        # Without the text: some servers repeat what they were sent.
        code = members.get("error")
        reason = f" ({code})" if isinstance(code, str) else ""
        raise CredentialError(
            f"the authorization server answers with status {response.status}{reason} and no bearer "
            "token; check the client's identifier, its secret and the scope",
            answer=ErrorAnswer(status=response.status, code=code if isinstance(code, str) else ""),
            retryable=response.status in _TRANSIENT,
        )
    lifetime = _lifetime(members.get("expires_in"))
    return AccessToken(token, int(clock.now().timestamp()) + lifetime)


def _lifetime(value: JsonValue) -> int:
    # Some servers send the number as a text.
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return int(value) if isinstance(value, int | float) else _DEFAULT_LIFETIME_SECONDS
