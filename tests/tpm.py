"""A simulated TPM for tests, and instances that trust it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

import httpx2
from starlette.types import ASGIApp

from assay.encoding import decode_base64url, encode_base64url, encode_json
from assay.service.instances import Instance, TpmTrust
from assay.simulator.tpm.endorsement import SimulatedEndorsement
from assay.simulator.tpm.platform import SimulatedTpm
from tests.conftest import AT
from tests.serving import VERSION, call, make_instance

PERMIT: Final = "version=1.2;authorizationrules{=> permit();};issuancerules{};"
ADDRESS: Final = f"/attest/Tpm{VERSION}"


@cache
def simulated_tpm() -> SimulatedTpm:
    """One TPM for all tests that do not change it: its keys take long to make."""
    return SimulatedTpm.create(AT)


def tpm_instance(policy: str = PERMIT, *, authentication: bool = True, **changes: Any) -> Instance:  # noqa: ANN401
    """An instance with a policy for TPMs that trusts the simulated one."""
    trust = TpmTrust(anchors=simulated_tpm().anchors, authentication=authentication)
    return make_instance(tpm=trust, policies={"Tpm": policy}, **changes)


def send(app: ASGIApp, payload: object, *, wrapped: bool = True) -> httpx2.Response:
    """One message of the protocol."""
    document: Any = {"payload": payload} if wrapped else payload
    return call(app, "POST", ADDRESS, json={"data": encode_base64url(encode_json(document))})


def received(answer: httpx2.Response) -> dict[str, Any]:
    """What the data of an answer holds."""
    data = decode_base64url(answer.json()["data"], "data")
    found: dict[str, Any] = json.loads(data)
    return found


def challenge(app: ASGIApp) -> tuple[bytes, str]:
    """A challenge, and its context."""
    payload = received(send(app, {"type": "aikcert"}))["payload"]
    return decode_base64url(payload["challenge"], "challenge"), payload["service_context"]


@cache
def simulated_endorsement() -> SimulatedEndorsement:
    """The endorsement key of the simulated TPM."""
    return SimulatedEndorsement.create(simulated_tpm())
