"""A TPM that answers what a test has written down."""

from __future__ import annotations

from collections.abc import Iterable

from assay.evidence.tpm.buffers import buffer


class ScriptedTpm:
    """Gives its answers in their order; flushing is always answered."""

    def __init__(self, answers: Iterable[bytes]) -> None:
        self._answers = iter(answers)
        self.commands: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        if command[6:10] == b"\0\0\1\x65":
            return response()
        return next(self._answers)

    def close(self) -> None:
        """Nothing is held."""


def response(parameters: bytes = b"", *, code: int = 0, handle: bytes = b"") -> bytes:
    """A response, with its parameters behind their size where there is a handle or a session."""
    tag = 0x8002 if handle else 0x8001
    body = handle + (len(parameters).to_bytes(4, "big") if handle else b"") + parameters
    size = 10 + len(body)
    return tag.to_bytes(2, "big") + size.to_bytes(4, "big") + code.to_bytes(4, "big") + body


def primary(public: bytes) -> bytes:
    """The response to CreatePrimary."""
    return response(buffer(public), handle=bytes.fromhex("80000000"))


def pcr_values(*digests: bytes) -> bytes:
    """The response to PCR_Read of one bank."""
    head = bytes(4) + bytes.fromhex("00000001000b03ffffff")
    return response(head + len(digests).to_bytes(4, "big") + b"".join(map(buffer, digests)))
