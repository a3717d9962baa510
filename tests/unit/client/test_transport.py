"""Both transports against a real socket."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.client import (
    ClientCertificate,
    ClientOptions,
    HttpRequest,
    RequestError,
    TransportError,
    transport,
)
from tests.administration import certify, ec_key
from tests.clients import Clients
from tests.servers.tls import tls_identity

_BODY: Final = b'{"a":1}'
_NOW: Final = clock.now()
"""TLS looks at the machine's own clock."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/moved":
            self._answer(302, b"", ("location", "/"))
        elif self.path == "/silent":
            self.close_connection = True
        elif self.path == "/large":
            self._answer(200, b" " * 100_000, ("X-Name", "value"))
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _get(clients: Clients, url: str, **options: Any) -> Any:  # noqa: ANN401  fields by name
    client = clients.http_transport(ClientOptions(**options))
    return client.send(HttpRequest(method="GET", url=url))


def test_an_answer_has_status_headers_and_body(clients: Clients, url: str) -> None:
    answer = _get(clients, f"{url}/missing")

    assert (answer.status, answer.body) == (404, _BODY)
    assert answer.headers["x-name"] == "value"


def test_a_body_is_sent_as_it_is(clients: Clients, url: str) -> None:
    answer = clients.http_transport().send(HttpRequest(method="POST", url=url, body=b"\x00\xff"))

    assert answer.body == b"\x00\xff"


def test_redirects_are_answers_and_not_followed(clients: Clients, url: str) -> None:
    assert _get(clients, f"{url}/moved").status == 302


def test_a_closed_transport_opens_again(clients: Clients, url: str) -> None:
    client = clients.http_transport()
    client.close()
    client.send(HttpRequest(method="GET", url=url))
    client.close()

    assert client.send(HttpRequest(method="GET", url=url)).status == 200


def test_no_connection_is_told_with_the_address(clients: Clients) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(TransportError) as caught:
            _get(clients, f"{address}/attest/x")

    assert caught.value.message.startswith(f"{address} does not answer: ")
    assert caught.value.message.endswith("check the address and that the service runs")
    assert (caught.value.retryable, caught.value.sent) == (True, False)


def test_an_answer_that_does_not_come_may_have_been_acted_on(clients: Clients, url: str) -> None:
    with pytest.raises(TransportError) as caught:
        _get(clients, f"{url}/silent")

    assert (caught.value.retryable, caught.value.sent) == (True, True)


def test_an_answer_without_end_is_cut(
    clients: Clients, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1000)

    with pytest.raises(TransportError, match="more than 1000 bytes") as caught:
        _get(clients, f"{url}/large")

    assert not caught.value.retryable


def test_a_proxy_is_used(clients: Clients, url: str) -> None:
    answer = _get(clients, "http://service.invalid/missing", proxy=url, trust_env=False)

    # The proxy was asked, with a whole address, which is no path that it knows.
    assert answer.status == 200


@pytest.mark.parametrize("chosen", [True, False])
def test_no_proxy_stands_before_this_machine(
    clients: Clients, url: str, monkeypatch: pytest.MonkeyPatch, *, chosen: bool
) -> None:
    nobody = "http://127.0.0.1:1"
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, nobody)
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)

    for host in ("127.0.0.1", "localhost"):
        address = url.replace("127.0.0.1", host)
        assert _get(clients, address, proxy=nobody if chosen else None).status == 200


def test_the_proxy_of_the_environment_is_used_for_other_machines(
    clients: Clients, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", url)

    assert _get(clients, "http://service.invalid/").status == 200


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server that wants a client certificate, and the file that vouches for it."""
    certificate, key = tls_identity("127.0.0.1", at=_NOW)
    (tmp_path / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "server.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    client = certify(ec_key(7), "client", ca=True, at=_NOW)
    (tmp_path / "client.pem").write_bytes(client.public_bytes(Encoding.PEM))
    (tmp_path / "client.key").write_bytes(
        ec_key(7).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "client.pem")
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = _Server(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", tmp_path
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_client_certificate_is_shown(clients: Clients, tls: tuple[str, Path]) -> None:
    url, folder = tls
    certificate = ClientCertificate(certificate=folder / "client.pem", key=folder / "client.key")
    options = ClientOptions(ca_file=folder / "server.pem")

    client = clients.http_transport(options, certificate=certificate)

    assert client.send(HttpRequest(method="GET", url=url)).status == 200


def test_without_the_certificate_there_is_no_answer(
    clients: Clients, tls: tuple[str, Path]
) -> None:
    url, folder = tls

    with pytest.raises(TransportError):
        _get(clients, url, ca_file=folder / "server.pem")


def test_a_context_of_ones_own_is_used(clients: Clients, tls: tuple[str, Path]) -> None:
    url, folder = tls
    context = ssl.create_default_context(cafile=folder / "server.pem")
    context.load_cert_chain(folder / "client.pem", folder / "client.key")

    assert _get(clients, url, ssl_context=context).status == 200


def test_a_context_and_a_certificate_are_not_mixed(clients: Clients) -> None:
    options = ClientOptions(ssl_context=ssl.create_default_context())
    client = clients.http_transport(options, certificate=ClientCertificate(certificate=Path("x")))

    with pytest.raises(RequestError, match="got both"):
        client.send(HttpRequest(method="GET", url="https://127.0.0.1:1"))


def test_a_client_certificate_that_is_missing_is_named(clients: Clients, tmp_path: Path) -> None:
    certificate = ClientCertificate(certificate=tmp_path / "gone.pem")
    client = clients.http_transport(certificate=certificate)

    with pytest.raises(RequestError, match=r"gone\.pem"):
        client.send(HttpRequest(method="GET", url="https://127.0.0.1:1"))


def test_a_ca_file_that_holds_no_certificate_is_named(clients: Clients, tmp_path: Path) -> None:
    file = tmp_path / "empty.pem"
    file.write_text("")

    with pytest.raises(RequestError, match=r"empty\.pem"):
        _get(clients, "https://127.0.0.1:1", ca_file=file)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_seconds": 0},
        {"max_connections": 0},
        {"connect_timeout_seconds": -1},
        {"ca_file": Path("x"), "ssl_context": ssl.create_default_context()},
        {"application": "x\ny"},
    ],
)
def test_options_that_make_no_client_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        ClientOptions(**options)
