"""A TPM as far as an attester needs it: keys, quotes, certifications, PCRs, credentials.

Authorizations are empty, as they are on machines that nobody has set others on. What is loaded is
flushed by whoever loaded it: without a resource manager a TPM holds three keys.

Source: TPM 2.0 Library, Part 3.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from assay.attester.errors import AttesterError
from assay.attester.tpm.command import (
    PASSWORD,
    Authorization,
    CommandCode,
    Response,
    TpmResponseError,
    decode_response,
    encode_command,
)
from assay.attester.tpm.transport import TpmTransport
from assay.evidence.tpm.algorithms import NULL, HashAlgorithm, SignatureScheme
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.public import Attribute, TpmPublic, parse_public
from assay.evidence.tpm.signature import parse_signature
from assay.evidence.tpm.verify import SignedStructure

_RETRY: Final = 0x922
"""TPM_RC_RETRY: the command was not begun, and may be sent again."""

_MAX_RETRIES: Final = 8
_NULL_HANDLE: Final = 0x40000007
_NULL: Final = NULL.to_bytes(2, "big")
_NO_SENSITIVE: Final = buffer(buffer(b"") + buffer(b""))
_NO_TICKET: Final = bytes.fromhex("8024400000070000")
_POLICY_SESSION: Final = b"\x01"
_NONCE_BYTES: Final = 16
_PCRS_AT_ONCE: Final = 8
_NV_BYTES_AT_ONCE: Final = 512
_BITMAP_SIZE: Final = 3


class Hierarchy(IntEnum):
    """What keys hang from."""

    OWNER = 0x40000001
    ENDORSEMENT = 0x4000000B


class StartupType(IntEnum):
    """How a TPM starts or stops: afresh, or with its state."""

    CLEAR = 0
    STATE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedKey:
    """A key in the TPM."""

    handle: int
    public: TpmPublic


class TpmDevice:
    """A TPM behind a transport. Methods raise `AttesterError` where the TPM refuses."""

    def __init__(self, transport: TpmTransport) -> None:
        self._transport = transport

    def startup(self, kind: StartupType = StartupType.CLEAR) -> None:
        """Start it, which firmware does on real machines."""
        self._run(CommandCode.STARTUP, parameters=kind.to_bytes(2, "big"))

    def shutdown(self, kind: StartupType = StartupType.CLEAR) -> None:
        """Prepare it for losing power."""
        self._run(CommandCode.SHUTDOWN, parameters=kind.to_bytes(2, "big"))

    @contextmanager
    def primary(self, hierarchy: Hierarchy, template: bytes) -> Iterator[LoadedKey]:
        """The primary key of a template: the same one each time, until the hierarchy is cleared."""
        command = encode_command(
            CommandCode.CREATE_PRIMARY,
            [hierarchy],
            _NO_SENSITIVE + buffer(template) + buffer(b"") + bytes(4),
            [PASSWORD],
        )
        response = self._transmit(CommandCode.CREATE_PRIMARY, command, handle=True)
        try:
            public = parse_public(response.buffer("public"))
            yield LoadedKey(handle=response.handle, public=public)
        finally:
            self._flush(response.handle)

    def read_public(self, handle: int) -> LoadedKey:
        """A key that is in the TPM already."""
        response = self._run(CommandCode.READ_PUBLIC, [handle])
        return LoadedKey(handle=handle, public=parse_public(response.buffer("public")))

    def quote(
        self, key: LoadedKey, extra_data: bytes, selection: Mapping[HashAlgorithm, Iterable[int]]
    ) -> SignedStructure:
        """A quote over PCRs by bank."""
        parameters = buffer(extra_data) + _NULL + encode_selection(selection)
        response = self._run(CommandCode.QUOTE, [key.handle], parameters, [PASSWORD])
        return SignedStructure(attest=response.buffer("quoted"), signature=response.rest())

    def certify(self, key: LoadedKey, by: LoadedKey, extra_data: bytes) -> SignedStructure:
        """A certification of `key`."""
        response = self._run(
            CommandCode.CERTIFY,
            [key.handle, by.handle],
            buffer(extra_data) + _NULL,
            [PASSWORD, PASSWORD],
        )
        return SignedStructure(attest=response.buffer("certified"), signature=response.rest())

    def sign_ps256(self, key: LoadedKey, data: bytes) -> bytes:
        """A signature of `data` as PS256 has it."""
        scheme = SignatureScheme.RSAPSS.to_bytes(2, "big") + HashAlgorithm.SHA256.to_bytes(2, "big")
        digest = hashlib.sha256(data).digest()
        parameters = buffer(digest) + scheme + _NO_TICKET
        response = self._run(CommandCode.SIGN, [key.handle], parameters, [PASSWORD])
        return parse_signature(response.rest()).value

    def read_pcrs(self, bank: HashAlgorithm, indexes: Iterable[int]) -> dict[int, bytes]:
        """Values of PCRs, by index."""
        wanted = sorted(indexes)
        values: dict[int, bytes] = {}
        for start in range(0, len(wanted), _PCRS_AT_ONCE):
            part = wanted[start : start + _PCRS_AT_ONCE]
            response = self._run(CommandCode.PCR_READ, parameters=encode_selection({bank: part}))
            reader = response.reader
            reader.octets(4, "update_counter")
            for _ in range(reader.uint(4, "selection_count")):
                reader.octets(2, "bank")
                reader.octets(reader.uint(1, "bitmap_size"), "bitmap")
            digests = [response.buffer("digest") for _ in range(reader.uint(4, "digest_count"))]
            values |= dict(zip(part, digests, strict=True))
        return values

    def extend_pcr(self, index: int, digests: Mapping[HashAlgorithm, bytes]) -> None:
        """Measure something, given its digest for each bank."""
        values = b"".join(bank.to_bytes(2, "big") + digest for bank, digest in digests.items())
        self._run(
            CommandCode.PCR_EXTEND, [index], len(digests).to_bytes(4, "big") + values, [PASSWORD]
        )

    def read_nv(self, index: int) -> bytes:
        """What a place in its memory holds."""
        described = self._run(CommandCode.NV_READ_PUBLIC, [index]).buffer("nv_public")
        size = int.from_bytes(described[-2:], "big")
        data = b""
        while len(data) < size:
            part = min(size - len(data), _NV_BYTES_AT_ONCE)
            parameters = part.to_bytes(2, "big") + len(data).to_bytes(2, "big")
            response = self._run(
                CommandCode.NV_READ, [Hierarchy.OWNER, index], parameters, [PASSWORD]
            )
            data += response.buffer("data")
        return data

    def activate_credential(
        self, aik: LoadedKey, ek: LoadedKey, *, blob: bytes, secret: bytes
    ) -> bytes:
        """The secret that was encrypted for this TPM, if it holds the key that it is for."""
        with self._endorsement_authorization(ek) as authorization:
            response = self._run(
                CommandCode.ACTIVATE_CREDENTIAL,
                [aik.handle, ek.handle],
                buffer(blob) + buffer(secret),
                [PASSWORD, authorization],
            )
        return response.buffer("certified_information")

    @contextmanager
    def _endorsement_authorization(self, ek: LoadedKey) -> Iterator[Authorization]:
        """What lets an endorsement key be used: its password, where it has one, or its policy."""
        if Attribute.USER_WITH_AUTH in ek.public.attributes:
            yield PASSWORD
            return
        with self._endorsement_session() as session:
            yield Authorization(session)

    @contextmanager
    def _endorsement_session(self) -> Iterator[int]:
        """A policy session in which an endorsement key may be used (PolicyA)."""
        parameters = b"".join(
            (
                buffer(secrets.token_bytes(_NONCE_BYTES)),
                buffer(b""),
                _POLICY_SESSION,
                _NULL,
                HashAlgorithm.SHA256.to_bytes(2, "big"),
            )
        )
        code = CommandCode.START_AUTH_SESSION
        command = encode_command(code, [_NULL_HANDLE, _NULL_HANDLE], parameters)
        session = self._transmit(code, command, handle=True).handle
        try:
            self._run(
                CommandCode.POLICY_SECRET,
                [Hierarchy.ENDORSEMENT, session],
                3 * buffer(b"") + bytes(4),
                [PASSWORD],
            )
            yield session
        finally:
            self._flush(session)

    def _flush(self, handle: int) -> None:
        self._run(CommandCode.FLUSH_CONTEXT, parameters=handle.to_bytes(4, "big"))

    def _run(
        self,
        code: CommandCode,
        handles: Iterable[int] = (),
        parameters: bytes = b"",
        authorizations: Iterable[Authorization] = (),
    ) -> Response:
        command = encode_command(code, tuple(handles), parameters, tuple(authorizations))
        return self._transmit(code, command)

    def _transmit(self, code: CommandCode, command: bytes, *, handle: bool = False) -> Response:
        for _ in range(_MAX_RETRIES):
            try:
                return decode_response(code, self._transport.transmit(command), handle=handle)
            except TpmResponseError as error:
                if error.code != _RETRY:
                    raise
        raise AttesterError(f"the TPM is busy: it puts {code.name} off again and again")


def encode_selection(selection: Mapping[HashAlgorithm, Iterable[int]]) -> bytes:
    """TPML_PCR_SELECTION."""
    return len(selection).to_bytes(4, "big") + b"".join(
        bank.to_bytes(2, "big")
        + _BITMAP_SIZE.to_bytes(1, "big")
        + sum(1 << index for index in set(indexes)).to_bytes(_BITMAP_SIZE, "little")
        for bank, indexes in selection.items()
    )
