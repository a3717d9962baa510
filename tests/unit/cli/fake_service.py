"""A service that speaks the protocol and judges nothing: it answers as a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self

from assay.encoding import JsonValue
from assay.keys import SigningAlgorithm, SigningKey
from assay.keys.software import generate_key
from assay.token import jwks, sign_token, signing_certificate, unsecured_token
from tests.conftest import AT


class FakeService:
    """An instance on a free port of the loopback address."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answer: tuple[int, bytes] | None = None
        """What attest answers instead of a token."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                service.paths.append(self.path)
                service.requests.append(json.loads(body))
                self._answer(*(service.answer or (200, service.attested())))

            def do_GET(self) -> None:
                service.paths.append(self.path)
                self._answer(200, service.key_set)

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", "application/json; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @cached_property
    def key(self) -> SigningKey:
        return generate_key(SigningAlgorithm.ES256, created_at=AT)

    @cached_property
    def key_set(self) -> bytes:
        certificate = signing_certificate(self.key, issuer=self.url)
        return json.dumps(jwks([(self.key, certificate)])).encode()

    def claims(self) -> dict[str, JsonValue]:
        now = int(datetime.now(UTC).timestamp())  # noqa: TID251  a service has a clock
        return {"iss": self.url, "iat": now, "nbf": now, "exp": now + 60, "tee": "sgx"}

    def token(self, claims: Mapping[str, JsonValue] | None = None) -> str:
        return sign_token(claims or self.claims(), self.key, issuer=self.url)

    def attested(self) -> bytes:
        draft = "draftPolicyForAttestation" in self.requests[-1]
        unsecured = unsecured_token(self.claims(), kid=self.key.kid, issuer=self.url)
        return json.dumps({"token": unsecured if draft else self.token()}).encode()

    def refuse(self, status: int, error: Mapping[str, object]) -> None:
        self.answer = (status, json.dumps({"error": error}).encode())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
