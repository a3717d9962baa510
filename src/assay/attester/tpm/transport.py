"""How commands reach a TPM: the kernel's device, or a socket of an emulator.

Both take one command as bytes and give one response as bytes.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final, Protocol

from assay.attester.errors import AttesterError

_HEADER_SIZE: Final = 10
_SIZE_OFFSET: Final = 2
_MAX_RESPONSE: Final = 4096
"""What every TPM stays below."""

_SECONDS: Final = 60.0
"""Making an RSA key takes slow TPMs half a minute."""


class TpmTransport(Protocol):
    """Whatever answers commands."""

    def transmit(self, command: bytes) -> bytes:
        """The response to a command.

        Raises:
            AttesterError: There is none.
        """
        ...

    def close(self) -> None:
        """Let go of the TPM."""
        ...


class DeviceTransport:
    """A device of the kernel; `/dev/tpmrm0` is shared with others, `/dev/tpm0` is not."""

    def __init__(self, path: Path) -> None:
        """Open the device.

        Raises:
            AttesterError: It cannot be opened.
        """
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise AttesterError(
                f"cannot open {path}: {error.strerror}; the TPM may be off in the firmware, or "
                "your user not in the group of the device (tss)"
            ) from error

    def transmit(self, command: bytes) -> bytes:
        """See `TpmTransport.transmit`."""
        try:
            os.write(self._descriptor, command)
            return os.read(self._descriptor, _MAX_RESPONSE)
        except OSError as error:
            raise AttesterError(f"{self._path} does not answer: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the TPM."""
        os.close(self._descriptor)


class SocketTransport:
    """An emulator's socket: `HOST:PORT`, or the path of a Unix socket."""

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            AttesterError: Nobody answers there.
        """
        self._address = address
        host, separator, port = address.rpartition(":")
        try:
            if separator and port.isdecimal():
                self._socket = socket.create_connection((host.strip("[]"), int(port)), _SECONDS)
            else:
                self._socket = _connected(address)
        except OSError as error:
            raise AttesterError(f"no TPM answers at {address}: {error}") from error

    def transmit(self, command: bytes) -> bytes:
        """See `TpmTransport.transmit`."""
        try:
            self._socket.sendall(command)
            head = self._receive(_HEADER_SIZE)
            size = int.from_bytes(head[_SIZE_OFFSET : _SIZE_OFFSET + 4], "big")
            if not _HEADER_SIZE <= size <= _MAX_RESPONSE:
                raise AttesterError(f"{self._address} answers with {size} bytes, which no TPM does")
            return head + self._receive(size - _HEADER_SIZE)
        except OSError as error:
            raise AttesterError(f"the TPM at {self._address} does not answer: {error}") from error

    def close(self) -> None:
        """Let go of the TPM."""
        self._socket.close()

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise AttesterError(f"the TPM at {self._address} has gone")
            data += part
        return data


def _connected(path: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    found.settimeout(_SECONDS)
    try:
        found.connect(path)
    except OSError:
        found.close()
        raise
    return found
