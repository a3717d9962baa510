"""`POST /attest/Tpm` and the enrolment of attestation keys: decode, one use case, encode.

Every message of the protocol is JSON inside base64url inside JSON.

Source: MAA protocol, section 9.3; the addresses of enrolment are Assay's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64url,
    encode_base64url,
    encode_json,
    json_type,
    parse_json_object,
)
from assay.errors import RequestError
from assay.server.answers import send_body
from assay.server.auth.authorizer import Authorizer
from assay.server.hosting import Instances, chosen_instance
from assay.server.maa.attest import check_json_content, read_body
from assay.server.maa.versions import check_api_version
from assay.service.instances import Instance
from assay.service.tpm_attestation import TpmAttestationService
from assay.service.tpm_enrolment import Activation, EnrolmentRequest, TpmEnrolmentService

_INIT: Final = "aikcert"
_MAX_ENROLMENT_DEPTH: Final = 4

Message = dict[str, JsonValue]
_Handler = Callable[[Instance, Message], Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmServices:
    """What attesting TPMs takes."""

    attestation: TpmAttestationService
    enrolment: TpmEnrolmentService
    authorizer: Authorizer


def tpm_routes(services: TpmServices, instances: Instances, *, max_depth: int) -> list[Route]:
    """The addresses of TPMs. They stand before those of other types."""

    def route(path: str, handle: _Handler, depth: int) -> Route:
        endpoint = TpmEndpoint(services.authorizer, instances, handle, max_depth=depth)
        return Route(path, endpoint, methods=["POST"])

    return [
        route("/attest/tpm", Exchange(services.attestation, max_depth), max_depth),
        route("/attest/tpm/enroll", Enrolment(services.enrolment), _MAX_ENROLMENT_DEPTH),
        route(
            "/attest/tpm/activate", Activating(services.enrolment, instances), _MAX_ENROLMENT_DEPTH
        ),
    ]


class TpmEndpoint:
    """One address: who calls, which instance, and what is asked of it."""

    __slots__ = ("_authorizer", "_handle", "_instances", "_max_depth")

    def __init__(
        self, authorizer: Authorizer, instances: Instances, handle: _Handler, *, max_depth: int
    ) -> None:
        self._authorizer = authorizer
        self._instances = instances
        self._handle = handle
        self._max_depth = max_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        check_api_version(scope["query_string"])
        check_json_content(scope)
        instance = await self._instances.get(chosen_instance(scope))
        if instance.definition.tpm.authentication:
            await self._authorizer.identify(scope)
        body = await read_body(receive)
        try:
            message = parse_json_object(body, "body", max_depth=self._max_depth)
        except EncodingError as error:
            raise RequestError(error.message) from error
        # Replaying logs and asking the database take longer than the event loop may wait.
        answer = await asyncio.to_thread(self._handle, instance, message)
        await send_body(send, encode_json(answer))


class Exchange:
    """The two legs of attestation, which share an address."""

    __slots__ = ("_max_depth", "_service")

    def __init__(self, service: TpmAttestationService, max_depth: int) -> None:
        self._service = service
        self._max_depth = max_depth

    def __call__(self, instance: Instance, message: Message) -> Message:
        """Answer one message in the form that it came in, with `payload` around it or without."""
        try:
            data = decode_base64url(_text(message, "data", "body"), "data")
            document = parse_json_object(data, "data", max_depth=self._max_depth)
        except EncodingError as error:
            raise RequestError(error.message) from error
        wrapped = "payload" in document
        if wrapped and len(document) > 1:
            raise RequestError(f"data: expected 'payload' alone, got {len(document)} members")
        payload = document["payload"] if wrapped else document
        if not isinstance(payload, dict):
            raise RequestError(f"data.payload: expected an object, got {json_type(payload)}")
        answer = self._answer(instance, payload)
        text = encode_json({"payload": answer} if wrapped else answer)
        return {"data": encode_base64url(text)}

    def _answer(self, instance: Instance, payload: Message) -> Message:
        if "type" in payload:
            kind = _text(payload, "type", "data.payload")
            if kind != _INIT or len(payload) != 1:
                raise RequestError(
                    f"data.payload: expected the type {_INIT!r} alone, got {kind[:64]!r} and "
                    f"{len(payload) - 1} more members"
                )
            challenge = self._service.challenge(instance)
            return {
                "challenge": challenge.challenge,
                "service_context": challenge.service_context,
            }
        request = _text(payload, "request", "data.payload")
        if len(payload) > 1:
            raise RequestError(f"data.payload: expected 'request' alone, got {len(payload)}")
        return {"report": self._service.attest(instance, request).report}


class Enrolment:
    """The first leg of enrolment: a TPM's keys in, a secret for that TPM alone out."""

    __slots__ = ("_service",)

    def __init__(self, service: TpmEnrolmentService) -> None:
        self._service = service

    def __call__(self, instance: Instance, message: Message) -> Message:
        """Answer one message."""
        certificate = message.get("ek_certificate")
        offer = self._service.offer(
            instance,
            EnrolmentRequest(
                ek_certificate=(
                    None if certificate is None else _octets(message, "ek_certificate")
                ),
                ek_public=_octets(message, "ek_public"),
                aik_public=_octets(message, "aik_public"),
            ),
        )
        return {
            "context": offer.context,
            "credential_blob": encode_base64url(offer.credential_blob),
            "secret": encode_base64url(offer.secret),
        }


class Activating:
    """The second leg: the secret in, which only that TPM could tell, a certificate out."""

    __slots__ = ("_instances", "_service")

    def __init__(self, service: TpmEnrolmentService, instances: Instances) -> None:
        self._service = service
        self._instances = instances

    def __call__(self, instance: Instance, message: Message) -> Message:
        """Answer one message."""
        issued = self._service.activate(
            instance,
            Activation(
                aik_public=_octets(message, "aik_public"),
                secret=_octets(message, "secret"),
                context=_text(message, "context", "body"),
            ),
        )
        if instance.aik_authority is None:
            # The authority is new, and the certificate may be shown at once.
            self._instances.refresh()
        return {
            "certificate": encode_base64url(issued.certificate),
            "issuer": encode_base64url(issued.issuer),
        }


def _octets(message: Mapping[str, JsonValue], name: str) -> bytes:
    try:
        return decode_base64url(_text(message, name, "body"), name)
    except EncodingError as error:
        raise RequestError(error.message) from error


def _text(members: Mapping[str, JsonValue], name: str, where: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise RequestError(f"{where}: expected text as {name!r}, got {json_type(value)}")
    return value
