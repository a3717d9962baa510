"""`POST /attest/{type}`: decode, one use case, encode.

Source: MAA protocol, section 9.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope, Send

from assay.evidence.format import AttestationType
from assay.server.answers import send_body
from assay.server.errors import Refusal, RefusedRequestError
from assay.server.hosting import Instances, chosen_instance
from assay.server.maa.attest_request import decode_attest_request
from assay.server.maa.versions import check_api_version
from assay.service.attestation import AttestationService
from assay.service.policies import POLICY_TYPES

_TYPES: Final = {kind.value.lower(): kind for kind in AttestationType}
_NOT_OFFERED: Final = {name.lower(): name for name in POLICY_TYPES if name.lower() not in _TYPES}
"""What MAA attests and Assay does not yet."""

_COMMON_TYPES: Final = frozenset({b"application/json", b"application/json; charset=utf-8"})
_UTF8: Final = frozenset({"utf-8", "utf8"})
_SHOWN_CHARACTERS: Final = 64


class AttestEndpoint:
    """Attests for the instance that was asked for."""

    __slots__ = ("_instances", "_max_depth", "_service")

    def __init__(
        self, service: AttestationService, instances: Instances, *, max_depth: int
    ) -> None:
        self._service = service
        self._instances = instances
        self._max_depth = max_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kind = _attestation_type(scope["path_params"]["attestation_type"])
        check_api_version(scope["query_string"])
        check_json_content(scope)
        body = await read_body(receive)
        request = decode_attest_request(body, kind, max_depth=self._max_depth)
        instance = await self._instances.get(chosen_instance(scope))
        attestation = await self._service.attest(
            instance, request.appraisal, draft_policy=request.draft_policy
        )
        # A token is of characters that JSON leaves as they are.
        await send_body(send, b'{"token":"' + attestation.token.encode("ascii") + b'"}')


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request.

    Raises:
        RefusedRequestError: The caller left before its end.
    """
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedRequestError(Refusal.TIMEOUT, "the caller left before the body's end")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _attestation_type(name: str) -> AttestationType:
    kind = _TYPES.get(name.lower())
    if kind is not None:
        return kind
    offered = ", ".join((*AttestationType, "Tpm"))
    if name.lower() in _NOT_OFFERED:
        raise RefusedRequestError(
            Refusal.ATTESTATION_TYPE,
            f"attestation type {_NOT_OFFERED[name.lower()]} is not offered here; {offered} are",
            target="attestationType",
        )
    raise RefusedRequestError(
        Refusal.NOT_FOUND,
        f"there is no attestation type {name[:_SHOWN_CHARACTERS]!r}; there are {offered}",
        target="attestationType",
    )


def check_json_content(scope: Scope) -> None:
    """Check that a body is declared as JSON, as it is.

    Raises:
        RefusedRequestError: It is declared as something else.
    """
    for name, value in scope["headers"]:
        if name == b"content-type" and value not in _COMMON_TYPES:
            _check_content_type(value.decode("latin-1"))
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise RefusedRequestError(
                Refusal.MEDIA_TYPE,
                f"the body is encoded as {value.decode('latin-1')[:_SHOWN_CHARACTERS]!r}; send it "
                "as it is",
            )


def _check_content_type(value: str) -> None:
    media_type, *parameters = [part.strip().lower() for part in value.split(";")]
    kind, _, form = media_type.partition("/")
    is_json = (kind in {"application", "text"} and form == "json") or (
        kind == "application" and form.endswith("+json")
    )
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    if not is_json or not _UTF8.issuperset(charsets):
        raise RefusedRequestError(
            Refusal.MEDIA_TYPE,
            f"the body is declared as {value[:_SHOWN_CHARACTERS]!r}; send JSON in UTF-8 as "
            "application/json",
        )
