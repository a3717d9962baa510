"""What `assay tpm` speaks to: a TPM on one side, a service on the other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from assay.attester.errors import AttesterError
from assay.attester.tpm import (
    DeviceTransport,
    SocketTransport,
    TpmDevice,
    TpmExchange,
    TpmTransport,
    measurement_logs,
)
from assay.attester.tpm.device import Hierarchy
from assay.attester.tpm.measurements import read_log
from assay.attester.tpm.request_signing import RequestKey, SoftwareKey, TpmKey
from assay.attester.tpm.templates import signing_template
from assay.cli.owner_files import read_certificates
from assay.client import API_VERSION, HttpRequest, HttpTransport
from assay.encoding import EncodingError, decode_hex, parse_json_object
from assay.errors import AssayError, PolicyDeniedError, RequestError, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import STRONG_HASHES
from assay.evidence.tpm.request import LogKind, SentLog

_DEVICE: Final = Path("/dev/tpmrm0")
_KEY_BITS: Final = 2048
_EXPONENT: Final = 65537
_ALGORITHM_BYTES: Final = 2
_OK: Final = 200


@contextlib.contextmanager
def open_tpm(device: Path | None, address: str | None) -> Iterator[TpmDevice]:
    """The TPM that the options name.

    Raises:
        RequestError: They name two.
        AttesterError: It does not answer.
    """
    if device is not None and address is not None:
        raise RequestError("expected --device or --socket, got both")
    transport: TpmTransport
    transport = DeviceTransport(device or _DEVICE) if address is None else SocketTransport(address)
    with contextlib.closing(transport):
        yield TpmDevice(transport)


@contextlib.contextmanager
def open_exchange(url: str, token: str | None) -> Iterator[TpmExchange]:
    """An instance of a service."""
    base = url.rstrip("/")
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    with contextlib.closing(HttpTransport()) as transport:

        def post(path: str, body: bytes) -> bytes:
            address = f"{base}{path}?api-version={API_VERSION}"
            request = HttpRequest(method="POST", url=address, headers=headers, body=body)
            response = transport.send(request)
            if response.status != _OK:
                raise _refusal(response.status, response.body)
            return response.body

        yield TpmExchange(post)


def _refusal(status: int, body: bytes) -> AssayError:
    """The error of the family that fits an answer: the policy's, the evidence's, the service's."""
    try:
        error = parse_json_object(body, "answer").get("error")
    except EncodingError:
        error = None
    if not isinstance(error, dict):
        return AttesterError(f"the service answers with status {status}; check the address")
    sentence = f"the service refuses: {error.get('message')}"
    if error.get("code") == "PolicyEvaluationError":
        return PolicyDeniedError(sentence)
    if error.get("code") == "InvalidParameter":
        return UntrustedEvidenceError(sentence)
    return AttesterError(f"{sentence} (status {status})")


@contextlib.contextmanager
def request_key(tpm: TpmDevice, *, in_tpm: bool) -> Iterator[RequestKey]:
    """A key to sign a request with: in the TPM, or of this process alone."""
    if not in_tpm:
        yield SoftwareKey(rsa.generate_private_key(_EXPONENT, _KEY_BITS))
        return
    with tpm.primary(Hierarchy.ENDORSEMENT, signing_template()) as loaded:
        yield TpmKey(device=tpm, loaded=loaded)


def log_reader(files: Sequence[Path]) -> Callable[[], tuple[SentLog, ...]]:
    """What reads the logs of this machine, or the named ones."""
    if not files:
        return lambda: measurement_logs(Path("/"))
    return lambda: tuple(read_log(path, LogKind.TCG) for path in files)


def read_certificate_der(path: Path | None) -> bytes | None:
    """The certificate in a file, in DER.

    Raises:
        RequestError: The file holds none, or several.
    """
    if path is None:
        return None
    found: tuple[x509.Certificate, ...] = tuple(read_certificates(path))
    if len(found) != 1:
        raise RequestError(f"{path}: expected one certificate, got {len(found)}")
    return found[0].public_bytes(Encoding.DER)


def endorsement_name(text: str) -> str:
    """The name of an endorsement key, in lower case.

    Raises:
        RequestError: It is not one.
    """
    try:
        data = decode_hex(text, "NAME")
    except EncodingError as error:
        raise RequestError(error.message) from error
    sizes = {int(one): one.size for one in STRONG_HASHES}
    number = int.from_bytes(data[:_ALGORITHM_BYTES], "big")
    if len(data) != sizes.get(number, -_ALGORITHM_BYTES) + _ALGORITHM_BYTES:
        raise RequestError(
            "NAME: expected the name of a key, 000b and 64 more hexadecimal digits for SHA-256, "
            "got something else"
        )
    return data.hex()
