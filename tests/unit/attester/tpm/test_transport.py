from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from assay.attester.errors import AttesterError
from assay.attester.tpm.transport import DeviceTransport, SocketTransport
from tests.unit.attester.tpm.scripted import response

_COMMAND = b"command"


@contextmanager
def _answering(listener: socket.socket, *parts: bytes) -> Iterator[None]:
    """Something that takes one command and gives an answer in parts."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            for part in parts:
                connection.sendall(part)

    thread = threading.Thread(target=serve)
    thread.start()
    with listener:
        yield
        thread.join()


def _listener() -> tuple[socket.socket, str]:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"127.0.0.1:{listener.getsockname()[1]}"


def test_an_answer_over_tcp_may_come_in_parts() -> None:
    listener, address = _listener()
    answer = response(b"parameters")

    with (
        _answering(listener, answer[:3], answer[3:12], answer[12:]),
        closing(SocketTransport(address)) as transport,
    ):
        assert transport.transmit(_COMMAND) == answer


def test_a_unix_socket_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "tpm"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    with (
        _answering(listener, response()),
        closing(SocketTransport(str(path))) as transport,
    ):
        assert transport.transmit(_COMMAND) == response()


@pytest.mark.parametrize("answer", [b"\x80\1", response()[:2] + b"\xff" * 8])
def test_an_answer_that_breaks_off_or_is_too_long_is_none(answer: bytes) -> None:
    listener, address = _listener()

    with (
        _answering(listener, answer),
        closing(SocketTransport(address)) as transport,
        pytest.raises(AttesterError),
    ):
        transport.transmit(_COMMAND)


def test_a_connection_that_has_gone_answers_nothing() -> None:
    listener, address = _listener()
    with _answering(listener):
        transport = SocketTransport(address)
        transport.close()
        with pytest.raises(AttesterError):
            transport.transmit(_COMMAND)


def test_where_nobody_listens_no_tpm_answers(tmp_path: Path) -> None:
    with pytest.raises(AttesterError, match="no TPM answers"):
        SocketTransport(str(tmp_path / "none"))


def test_a_device_takes_and_gives_bytes(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.write_bytes(_COMMAND + response())

    with closing(DeviceTransport(path)) as transport:
        assert transport.transmit(_COMMAND) == response()


def test_a_device_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AttesterError, match="cannot open"):
        DeviceTransport(tmp_path / "none")


def test_a_device_that_has_gone_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "device"
    path.touch()
    transport = DeviceTransport(path)
    transport.close()

    with pytest.raises(AttesterError, match="does not answer"):
        transport.transmit(_COMMAND)
