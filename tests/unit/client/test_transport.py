from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Final

import pytest

from assay.client import HttpRequest, HttpTransport, TransportError, transport

_BODY: Final = b'{"a":1}'


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self._answer(302, b"", ("location", "/"))
        elif self.path == "/silent":
            self.close_connection = True
        else:
            self._answer(404 if self.path == "/missing" else 200, _BODY, ("X-Name", "value"))

    def do_POST(self) -> None:
        self._answer(200, self.rfile.read(int(self.headers["content-length"])), ("X-Name", "v"))

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def _answer(self, status: int, body: bytes, header: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header(*header)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_answer_has_status_headers_and_body(url: str) -> None:
    with HttpTransport() as client:
        answer = client.send(HttpRequest(method="GET", url=f"{url}/missing"))

    assert answer.status == 404
    assert answer.body == _BODY
    assert answer.headers["x-name"] == "value"


def test_a_body_is_sent_as_it_is(url: str) -> None:
    with HttpTransport() as client:
        answer = client.send(HttpRequest(method="POST", url=url, body=b"\x00\xff"))

    assert answer.body == b"\x00\xff"


def test_redirects_are_answers_and_not_followed(url: str) -> None:
    with HttpTransport() as client:
        assert client.send(HttpRequest(method="GET", url=f"{url}/moved")).status == 302


def test_no_connection_is_told_with_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with HttpTransport() as client, pytest.raises(TransportError) as caught:
            client.send(HttpRequest(method="GET", url=f"{address}/attest/x"))

    assert caught.value.message.startswith(f"{address} does not answer: ")
    assert caught.value.message.endswith("check the address and that the service runs")


def test_a_connection_that_ends_early_is_no_answer(url: str) -> None:
    with HttpTransport() as client, pytest.raises(TransportError):
        client.send(HttpRequest(method="GET", url=f"{url}/silent"))


def test_an_address_that_cannot_be_one_is_no_answer() -> None:
    with HttpTransport() as client, pytest.raises(TransportError):
        client.send(HttpRequest(method="GET", url="http://\x00"))


def test_an_endless_answer_is_cut_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 3)

    with HttpTransport() as client, pytest.raises(TransportError, match="more than 3 bytes"):
        client.send(HttpRequest(method="GET", url=url))
