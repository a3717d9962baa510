"""A client that sends what a dialect says and no more, and reads answers as the clients do."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from assay import clock
from assay.encoding import JsonValue, decode_base64url, parse_json_object
from tests.conformance.dialects import Dialect, Json
from tests.servers.three_instances import Signer, ThreeInstances


@dataclass(frozen=True, slots=True)
class Token:
    """A token that a client has accepted."""

    header: dict[str, JsonValue]
    claims: dict[str, Any]
    signer: x509.Certificate | None
    """Whose key it is signed with; `None` where it is unsecured."""


@dataclass(frozen=True, slots=True)
class WireClient:
    """A client of one instance."""

    server: ThreeInstances
    dialect: Dialect
    instance: str
    http: httpx2.Client
    known_signers: dict[str, x509.Certificate]
    """From the key set, once it has been asked for: clients keep it."""

    @property
    def url(self) -> str:
        return self.server.url(self.instance)

    def get(self, path: str, query: str = "") -> httpx2.Response:
        """One of the owner's reads."""
        return self._send("GET", self._versioned(path) + query, self.dialect.read_headers)

    def key_set(self) -> httpx2.Response:
        """The key set."""
        return self._send("GET", self._metadata("/certs"), self.dialect.key_set_headers)

    def discovery(self) -> httpx2.Response:
        """The discovery document."""
        path = self._metadata("/.well-known/openid-configuration")
        return self._send("GET", path, self.dialect.read_headers)

    def attest(self, operation: str, members: Json) -> httpx2.Response:
        """Have evidence attested."""
        headers = self.dialect.write_headers("application/json")
        path = self._versioned(f"/attest/{operation}")
        return self._send("POST", path, headers, self.dialect.dumps(members))

    def get_policy(self, kind: str) -> httpx2.Response:
        return self.get(f"/policies/{kind}", self.dialect.query.format(kind))

    def set_policy(self, kind: str, text: str, signer: Signer | None) -> httpx2.Response:
        payload = self.dialect.policy_payload(text)
        return self.set_policy_jws(kind, self.dialect.jws(payload, signer))

    def set_policy_jws(self, kind: str, jws: str) -> httpx2.Response:
        return self._change_policy("PUT", kind, "", jws)

    def reset_policy(self, kind: str, signer: Signer | None) -> httpx2.Response:
        # Every client, and `az` by default, resets with the same header when nobody signs.
        jws = "eyJhbGciOiJub25lIn0.." if signer is None else self.dialect.jws("", signer)
        return self._change_policy("POST", kind, self.dialect.reset, jws)

    def _change_policy(self, method: str, kind: str, suffix: str, jws: str) -> httpx2.Response:
        headers = self.dialect.write_headers(self.dialect.policy_type)
        path = self._versioned(f"/policies/{kind}{suffix}") + self.dialect.query.format(kind)
        return self._send(method, path, headers, self.dialect.wrap_policy(jws))

    def add_certificate(self, added: Signer, signer: Signer) -> httpx2.Response:
        jws = self.dialect.jws(self.dialect.certificate_payload(added), signer)
        return self.change_certificates("add", jws)

    def remove_certificate(self, removed: Signer, signer: Signer) -> httpx2.Response:
        jws = self.dialect.jws(self.dialect.certificate_payload(removed), signer)
        return self.change_certificates("remove", jws)

    def change_certificates(self, change: str, jws: str) -> httpx2.Response:
        wrap = self.dialect.wrap_added if change == "add" else self.dialect.wrap_removed
        headers = self.dialect.write_headers("application/json")
        return self._send("POST", self._versioned(f"/certificates:{change}"), headers, wrap(jws))

    def signers(self) -> list[Json]:
        """The keys of the instance's policy signers."""
        claims = self.read(self.get("/certificates")).claims
        keys: list[Json] = claims["x-ms-policy-certificates"]["keys"]
        return keys

    def policy_jws(self, kind: str) -> str:
        """The policy as it is stored."""
        jws: str = self.read(self.get_policy(kind)).claims["x-ms-policy"]
        return jws

    def read(self, answer: httpx2.Response) -> Token:
        """The token of an answer, after the checks that the clients have in common."""
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        body = answer.json()
        assert list(body) == ["token"]
        header_part, payload_part, signature_part = body["token"].split(".")
        header = parse_json_object(decode_base64url(header_part, "header"), "header")
        claims = parse_json_object(decode_base64url(payload_part, "payload"), "payload")
        signed = f"{header_part}.{payload_part}".encode()
        signer = self._check_signature(header, signed, signature_part)
        now = clock.now().timestamp()
        assert isinstance(claims["exp"], int)
        assert isinstance(claims["nbf"], int)
        assert claims["nbf"] <= now <= claims["exp"]
        assert claims["iss"] == self.url
        return Token(header, claims, signer)

    def _check_signature(
        self, header: dict[str, JsonValue], signed: bytes, signature: str
    ) -> x509.Certificate | None:
        if header["alg"] == "none":
            assert signature == ""
            return None
        if not self.known_signers:
            self.known_signers.update(self.signing_certificates())
        assert header["alg"] == "RS256"
        signer = self.known_signers[str(header["kid"])]
        key = signer.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(
            decode_base64url(signature, "signature"), signed, padding.PKCS1v15(), hashes.SHA256()
        )
        return signer

    def signing_certificates(self) -> dict[str, x509.Certificate]:
        """The first certificate of each key, all of which must be readable."""
        answer = self.key_set()
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        found = {}
        for key in answer.json()["keys"]:
            assert key["kty"] == "RSA"
            # The standard alphabet, with padding.
            chain = [base64.b64decode(one, validate=True) for one in key["x5c"]]
            found[key["kid"]], *_ = map(x509.load_der_x509_certificate, chain)
        return found

    def _metadata(self, path: str) -> str:
        return self._versioned(path) if self.dialect.versioned_metadata else path

    def _versioned(self, path: str) -> str:
        return f"{path}?api-version={self.dialect.api_version}"

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> httpx2.Response:
        # Once they have a credential, they send it with every request.
        chosen = {**headers, "Authorization": f"Bearer {self.server.token()}"}
        content = None if body is None else body.encode()
        return self.http.request(method, self.url + path, headers=chosen, content=content)


@contextmanager
def wire_client(server: ThreeInstances, dialect: Dialect, instance: str) -> Iterator[WireClient]:
    """A client that is open for the length of a `with`."""
    with server.http() as http:
        yield WireClient(server, dialect, instance, http, {})
