"""The messages between an attester and a service, over whatever carries them.

Source: MAA protocol, section 9.3; enrolment is Assay's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from assay.attester.errors import AttesterError
from assay.attester.tpm.agent import endorsement_certificate, endorsement_key
from assay.attester.tpm.device import LoadedKey, TpmDevice
from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64url,
    encode_base64url,
    encode_json,
    parse_json_object,
)

_ATTEST: Final = "/attest/Tpm"
_ENROLL: Final = "/attest/Tpm/enroll"
_ACTIVATE: Final = "/attest/Tpm/activate"

Post = Callable[[str, bytes], bytes]
"""Sends a body to a path of the instance, and gives the body of the answer to a success."""


@dataclass(frozen=True, slots=True)
class TpmExchange:
    """One instance of a service. Methods raise `AttesterError` where an answer is not one."""

    post: Post

    def challenge(self) -> tuple[bytes, str]:
        """A challenge, and the context to bring back with its answer."""
        payload = self._exchange({"type": "aikcert"})
        return _octets(payload, "challenge"), _text(payload, "service_context")

    def report(self, request: str) -> str:
        """The report for a request."""
        return _text(self._exchange({"request": request}), "report")

    def enroll(self, device: TpmDevice, aik: LoadedKey) -> bytes:
        """A certificate for an attestation key, in DER, from the instance's own authority."""
        certificate = endorsement_certificate(device)
        aik_public = encode_base64url(aik.public.encoded)
        with endorsement_key(device) as ek:
            asked: dict[str, JsonValue] = {
                "ek_public": encode_base64url(ek.public.encoded),
                "aik_public": aik_public,
            }
            if certificate is not None:
                asked["ek_certificate"] = encode_base64url(certificate)
            offer = self._send(_ENROLL, asked)
            secret = device.activate_credential(
                aik, ek, blob=_octets(offer, "credential_blob"), secret=_octets(offer, "secret")
            )
        issued = self._send(
            _ACTIVATE,
            {
                "aik_public": aik_public,
                "secret": encode_base64url(secret),
                "context": _text(offer, "context"),
            },
        )
        return _octets(issued, "certificate")

    def _exchange(self, payload: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        data = encode_base64url(encode_json({"payload": dict(payload)}))
        answer = _octets(self._send(_ATTEST, {"data": data}), "data")
        found = _parsed(answer).get("payload")
        if not isinstance(found, dict):
            raise AttesterError("the service answers without a payload; check the address")
        return found

    def _send(self, path: str, body: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return _parsed(self.post(path, encode_json(dict(body))))


def _parsed(data: bytes) -> Mapping[str, JsonValue]:
    try:
        return parse_json_object(data, "answer")
    except EncodingError as error:
        raise AttesterError(f"the service answers with something else: {error.message}") from error


def _octets(members: Mapping[str, JsonValue], name: str) -> bytes:
    try:
        return decode_base64url(_text(members, name), name)
    except EncodingError as error:
        raise AttesterError(f"the service answers with something else: {error.message}") from error


def _text(members: Mapping[str, JsonValue], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise AttesterError(f"the service answers without {name!r}; check the address")
    return value
