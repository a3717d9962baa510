"""The body of a request to administer an instance: a JWS, in any of the clients' wrappings.

| body | sent by |
|---|---|
| the JWS as it is, as `text/plain` or as `application/json` | the libraries, for policies |
| the JWS as a JSON string | the libraries, for certificates; the command line, for all |
| an object with the operation's parameter | clients made from the newest description |

Source: MAA protocol, section 3.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope

from assay.encoding import EncodingError, JsonValue, json_type, parse_json, parse_json_object
from assay.errors import Finding, TokenError
from assay.server.errors import Refusal, RefusedRequestError
from assay.server.maa.attest import read_body

_TYPES: Final = frozenset({"text/plain", "application/json", "text/json", "application/jose"})
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii"})
_SHOWN_CHARACTERS: Final = 64


async def read_owner_body(scope: Scope, receive: Receive, *, parameter: str) -> str:
    """The JWS in a request's body.

    Args:
        scope: The request.
        receive: Its body.
        parameter: The member that holds the JWS where the body is an object.

    Raises:
        RefusedRequestError: The body is declared as something else, or does not arrive.
        TokenError: It is in none of the forms above.
    """
    _check_content(scope)
    return unwrap_owner_body(await read_body(receive), parameter)


def unwrap_owner_body(body: bytes, parameter: str) -> str:
    """The JWS in a body.

    Raises:
        TokenError: It is in none of the forms above.
    """
    try:
        text = body.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise _refused("a JWS, which is ASCII", f"another byte at {error.start}") from error
    try:
        if text.startswith('"'):
            return _string(parse_json(text.encode(), "body"), "body")
        if text.startswith("{"):
            return _member(parse_json_object(text.encode(), "body"), parameter)
    except EncodingError as error:
        raise _refused("a JWS, or JSON with one in it", error.message) from error
    return text


def _member(document: dict[str, JsonValue], parameter: str) -> str:
    found = [value for name, value in document.items() if name.lower() == parameter.lower()]
    if len(found) != 1 or len(document) != 1:
        names = repr(", ".join(document))[:_SHOWN_CHARACTERS]
        raise _refused(f"an object with the member {parameter} and no other", names)
    return _string(found[0], parameter)


def _string(value: JsonValue, what: str) -> str:
    if not isinstance(value, str):
        raise _refused(f"a string as {what}", json_type(value))
    return value


def _check_content(scope: Scope) -> None:
    for name, value in scope["headers"]:
        text = value.decode("latin-1")
        if name == b"content-type" and not _is_taken(text):
            raise RefusedRequestError(
                Refusal.MEDIA_TYPE,
                f"the body is declared as {text[:_SHOWN_CHARACTERS]!r}; send the JWS as "
                "text/plain or as application/json",
            )
        if name == b"content-encoding" and text.lower() != "identity":
            raise RefusedRequestError(
                Refusal.MEDIA_TYPE,
                f"the body is encoded as {text[:_SHOWN_CHARACTERS]!r}; send it as it is",
            )


def _is_taken(content_type: str) -> bool:
    media_type, *parameters = [part.strip().lower() for part in content_type.split(";")]
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    return media_type in _TYPES and _UTF8.issuperset(charsets)


def _refused(expected: str, actual: str) -> TokenError:
    finding = Finding(check="owner.jws.jws_format", expected=expected, actual=actual)
    return TokenError(f"the body needs {expected}, got {actual}", findings=[finding])
