"""TPM commands and responses as bytes.

Source: TPM 2.0 Library, Part 1, section 18 (structure), Part 3 (commands).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from assay.attester.errors import AttesterError
from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.buffers import buffer, read_buffer
from assay.wire import Reader

_NO_SESSIONS: Final = 0x8001
_SESSIONS: Final = 0x8002
_HEADER_SIZE: Final = 10
_PASSWORD: Final = 0x40000009
_CONTINUE: Final = b"\x01"
_MAX_BUFFER: Final = 2048
_CHECK: Final = "attester.response"


class CommandCode(IntEnum):
    """The commands that an attester needs."""

    CREATE_PRIMARY = 0x131
    STARTUP = 0x144
    SHUTDOWN = 0x145
    ACTIVATE_CREDENTIAL = 0x147
    CERTIFY = 0x148
    NV_READ = 0x14E
    POLICY_SECRET = 0x151
    QUOTE = 0x158
    SIGN = 0x15D
    FLUSH_CONTEXT = 0x165
    NV_READ_PUBLIC = 0x169
    READ_PUBLIC = 0x173
    START_AUTH_SESSION = 0x176
    PCR_READ = 0x17E
    PCR_EXTEND = 0x182


@dataclass(frozen=True, slots=True)
class Authorization:
    """What allows the use of a handle: an empty password, or a policy session."""

    session: int = _PASSWORD

    def encode(self) -> bytes:
        """TPMS_AUTH_COMMAND with nothing in it but the session."""
        return self.session.to_bytes(4, "big") + buffer(b"") + _CONTINUE + buffer(b"")


PASSWORD: Final = Authorization()


class TpmResponseError(AttesterError):
    """The TPM refused a command."""

    def __init__(self, command: CommandCode, code: int) -> None:
        super().__init__(f"the TPM answers {command.name} with error 0x{code:03x}")
        self.code = code


def encode_command(
    code: CommandCode,
    handles: Sequence[int] = (),
    parameters: bytes = b"",
    authorizations: Sequence[Authorization] = (),
) -> bytes:
    """A command.

    Args:
        code: Which one.
        handles: What it is about.
        parameters: After the authorizations, encoded.
        authorizations: Of the first handles, in their order.
    """
    area = b"".join(one.encode() for one in authorizations)
    body = b"".join(handle.to_bytes(4, "big") for handle in handles)
    if area:
        body += len(area).to_bytes(4, "big") + area
    body += parameters
    tag = _SESSIONS if area else _NO_SESSIONS
    return (
        tag.to_bytes(2, "big")
        + (_HEADER_SIZE + len(body)).to_bytes(4, "big")
        + code.to_bytes(4, "big")
        + body
    )


def decode_response(code: CommandCode, response: bytes, *, handle: bool = False) -> Response:
    """The response to a command.

    Args:
        code: Of the command.
        response: The bytes.
        handle: Whether one comes before the parameters.

    Raises:
        TpmResponseError: The TPM refused.
        AttesterError: This is no response.
    """
    reader = Reader(response, "response", check=_CHECK, order="big")
    try:
        tag = reader.uint(2, "tag")
        size = reader.uint(4, "size")
        status = reader.uint(4, "code")
        if status:
            raise TpmResponseError(code, status)
        if size != len(response):
            raise reader.malformed("size", f"{len(response)}", f"{size}")
        found = reader.uint(4, "handle") if handle else 0
        if tag == _SESSIONS:
            parameters = reader.octets(reader.uint(4, "parameter_size"), "parameters")
        else:
            parameters = reader.octets(reader.remaining, "parameters")
    except MalformedEvidenceError as error:
        raise AttesterError(f"the TPM answers {code.name} with no response: {error}") from error
    return Response(
        handle=found, reader=Reader(parameters, code.name.lower(), check=_CHECK, order="big")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response without an error."""

    handle: int
    """0 where the command makes none."""

    reader: Reader
    """Over the parameters."""

    def buffer(self, field: str) -> bytes:
        """The next TPM2B.

        Raises:
            MalformedEvidenceError: There is none.
        """
        return read_buffer(self.reader, field, most=_MAX_BUFFER)

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.reader.octets(self.reader.remaining, "rest")
