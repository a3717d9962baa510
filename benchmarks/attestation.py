"""Attestations per second through HTTP, against the bare cryptography of the same requests."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

from assay.encoding import encode_base64url, encode_json
from assay.simulator import SimulatedPlatform

_RUNTIME_DATA = b"a key that the enclave holds"
_DISTINCT = 5000
"""More quoting enclaves than a worker remembers: in turn, each one is forgotten again.

For each worker, since of several each sees a part of them.
"""


def repeating_requests(platform: SimulatedPlatform) -> list[bytes]:
    """One platform that comes again and again."""
    return [_request(platform)]


def distinct_requests(platform: SimulatedPlatform, *, workers: int) -> list[bytes]:
    """So many quoting enclaves that none of them is remembered; one PCK chain."""
    enclave = platform.settings.quoting_enclave
    return [
        _request(
            dataclasses.replace(
                platform,
                settings=dataclasses.replace(
                    platform.settings,
                    quoting_enclave=dataclasses.replace(
                        enclave, auth_data=number.to_bytes(32, "big")
                    ),
                ),
            )
        )
        for number in range(_DISTINCT * workers)
    ]


def instance_requests(platform: SimulatedPlatform, names: Sequence[str]) -> list[bytes]:
    """One quote to each of the instances in turn, chosen by the path."""
    body = _body(platform)
    return [_post(body, f"/{name}") for name in names]


def _request(platform: SimulatedPlatform) -> bytes:
    return _post(_body(platform))


def _body(platform: SimulatedPlatform) -> bytes:
    quote = platform.quote(report_data=hashlib.sha256(_RUNTIME_DATA).digest())
    return encode_json(
        {
            "quote": encode_base64url(quote),
            "runtimeData": {"data": encode_base64url(_RUNTIME_DATA), "dataType": "Binary"},
        }
    )


def _post(body: bytes, prefix: str = "") -> bytes:
    head = (
        f"POST {prefix}/attest/SgxEnclave?api-version=2022-08-01 HTTP/1.1\r\n"
        "Host: localhost\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
