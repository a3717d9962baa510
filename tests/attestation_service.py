"""An attestation service on this machine, as far as a relying party sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from assay import clock
from assay.encoding import JsonValue, encode_json
from assay.keys import SigningAlgorithm
from assay.token import (
    attestation_claims,
    jwks,
    openid_configuration,
    sign_token,
    signing_certificate,
)
from tests.attestation_tokens import MR_SIGNER, service_key


@dataclass(frozen=True, slots=True)
class AttestationService:
    """Its address, and tokens of it that are good now."""

    issuer: str

    @property
    def key_set(self) -> bytes:
        """What it answers at `/certs`."""
        key = service_key()
        return encode_json(jwks([(key, signing_certificate(key, issuer=self.issuer))]))

    def token(self, **changes: JsonValue) -> str:
        """A token; underscores in names stand for hyphens."""
        found: dict[str, JsonValue] = {
            "x-ms-sgx-is-debuggable": False,
            "x-ms-sgx-mrsigner": MR_SIGNER,
            "x-ms-sgx-product-id": 7,
            "x-ms-sgx-svn": 3,
            "x-assay-tcb-status": "UpToDate",
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        claims = attestation_claims(found, issuer=self.issuer, issued_at=clock.now(), jti="0" * 64)
        return sign_token(claims, service_key(), issuer=self.issuer)


@contextmanager
def attestation_service() -> Iterator[AttestationService]:
    """Serve its metadata and its keys on a free port."""

    address: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            own = AttestationService(address[0])
            documents = {
                "/.well-known/openid-configuration": encode_json(
                    openid_configuration(own.issuer, algorithms=[SigningAlgorithm.ES256])
                ),
                "/certs": own.key_set,
            }
            body = documents[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address.append(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield AttestationService(address[0])
        finally:
            server.shutdown()
            thread.join()
