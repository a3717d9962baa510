"""A service in memory that speaks the protocol: real tokens, real signatures, no judgement.

It believes all evidence. It keeps policies and signers as the real one does, as far as clients can
tell: an isolated instance wants changes signed by one of its signers.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, final
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assay import clock
from assay.client.attestation_type import AttestationType
from assay.client.http import HttpRequest, HttpResponse
from assay.client.testing.example_claims import EXAMPLE_CLAIMS, EXAMPLE_POLICY_HASH
from assay.encoding import (
    JsonValue,
    decode_base64url,
    encode_base64url,
    encode_json,
    parse_json,
    parse_json_object,
)
from assay.errors import TokenError
from assay.keys import SigningAlgorithm, SigningKey, generate_key
from assay.token import (
    UNSET_POLICY,
    OwnerToken,
    answer_claims,
    attestation_claims,
    jwks,
    openid_configuration,
    policy_answer,
    policy_removed,
    policy_updated,
    read_certificate,
    read_owner_token,
    read_policy_text,
    sign_token,
    signer_changed,
    signers_answer,
    signing_certificate,
    thumbprint,
    unsecured_policy,
    unsecured_token,
)

DEFAULT_URL: Final = "https://fake.attest.test"
DEFAULT_POLICY: Final = "version= 1.0;authorizationrules{=> permit();};"
_OK: Final = 200
_TYPES: Final = {kind.value.lower(): kind for kind in AttestationType}
_WITHOUT_POLICY: Final = frozenset({AttestationType.TPM})


class _Refusal(Exception):  # noqa: N818  what the service says, not what went wrong in it
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = refusal(status, code, message)


def refusal(
    status: int, code: str = "", message: str = "", *, retry_after_seconds: int | None = None
) -> HttpResponse:
    """An error as the protocol has it, for `FakeService.answer_next`."""
    headers = {} if retry_after_seconds is None else {"retry-after": str(retry_after_seconds)}
    error: JsonValue = {"error": {"code": code, "message": message}}
    return HttpResponse(status=status, body=encode_json(error), headers=_headers() | headers)


@lru_cache(maxsize=4)
def _signing_key(algorithm: SigningAlgorithm) -> SigningKey:
    return generate_key(algorithm, created_at=clock.now())


@final
class FakeService:
    """One instance. May be used by many threads at a time."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        signers: Sequence[x509.Certificate] = (),
        algorithm: str = "RS256",
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """An instance with default policies.

        Args:
            url: Its address and issuer.
            signers: Who may sign changes; the instance is an isolated one if there are any.
            algorithm: What its tokens are signed with; ES256 is quicker.
            now: Its clock.
        """
        self.url = url
        self.requests: list[HttpRequest] = []
        """What came, in its order."""
        self.claims: dict[str, JsonValue] = {}
        """Put into attestation tokens, in place of what is there under these names."""
        self.inner_key = secrets.token_bytes(32)
        """What tokens for Azure guests are sealed with; sent as it is, since there is no TPM."""
        self._key = _signing_key(SigningAlgorithm(algorithm))
        self._now = now
        self._policies: dict[AttestationType, str] = {}
        self._isolated = bool(signers)
        self._signers = {thumbprint(one): one for one in signers}
        self._next: deque[HttpResponse | Exception] = deque()
        self._changing = threading.Lock()

    def answer_next(self, answer: HttpResponse | Exception, *, times: int = 1) -> None:
        """Answer the next requests so, whatever they are. Exceptions are raised."""
        self._next.extend([answer] * times)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """What the service says to a request."""
        with self._changing:
            self.requests.append(request)
            if self._next:
                given = self._next.popleft()
                if isinstance(given, Exception):
                    raise given
                return given
            try:
                document = self._document(request)
            except _Refusal as error:
                return error.answer
            except TokenError as error:
                return refusal(400, "InvalidOperation", error.message)
        return HttpResponse(status=_OK, body=encode_json(document), headers=_headers())

    def _document(self, request: HttpRequest) -> dict[str, JsonValue]:
        path = unquote(urlsplit(request.url).path).removeprefix(urlsplit(self.url).path)
        match (request.method, path.strip("/").split("/")):
            case ("GET", ["certs"]):
                return jwks([(self._key, signing_certificate(self._key, issuer=self.url))])
            case ("GET", [".well-known", "openid-configuration"]):
                return openid_configuration(self.url, algorithms=[self._key.algorithm])
            case ("POST", ["attest", name]):
                return self._attest(_kind(name), parse_json_object(request.body, "body"))
            case ("GET", ["certificates"]):
                return self._token(signers_answer(self._signers.values()))
            case ("POST", [("certificates:add" | "certificates:remove") as name]):
                return self._change_signer(_owner_token(request), add=name.endswith("add"))
            case (method, ["policies", name]):
                return self._policy(method, name, request)
            case _:
                raise _Refusal(404, "NotFound", f"there is nothing at {path}")

    def _attest(self, kind: AttestationType, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if kind is AttestationType.TPM:
            return self._tpm()
        if kind not in EXAMPLE_CLAIMS:
            raise _Refusal(400, "InvalidParameter", f"{kind} is not attested")
        claims = dict(EXAMPLE_CLAIMS[kind]) | _held_claims(body) | self.claims
        complete = attestation_claims(
            {"x-ms-ver": "1.0", "x-ms-policy-hash": EXAMPLE_POLICY_HASH, **claims},
            issuer=self.url,
            issued_at=self._now(),
            jti=secrets.token_hex(32),
            lifetime=timedelta(hours=8),
        )
        if "draftPolicyForAttestation" in body:
            return {"token": unsecured_token(complete, kid=self._key.kid, issuer=self.url)}
        token = sign_token(complete, self._key, issuer=self.url)
        if kind is AttestationType.AZURE_GUEST:
            return {"token": encode_base64url(encode_json(_sealed(token, self.inner_key)))}
        return {"token": token}

    def _tpm(self) -> dict[str, JsonValue]:
        if AttestationType.TPM not in self._policies:
            raise _Refusal(
                400,
                "Bad request",
                "A VBS attestation policy has not been set on the attestation provider.",
            )
        payload: JsonValue = {
            "payload": {
                "challenge": encode_base64url(secrets.token_bytes(16)),
                "service_context": encode_base64url(b"{}"),
            }
        }
        return {"data": encode_base64url(encode_json(payload))}

    def _policy(self, method: str, name: str, request: HttpRequest) -> dict[str, JsonValue]:
        kind = _kind(name.removesuffix(":reset"))
        if method == "GET":
            default = UNSET_POLICY if kind in _WITHOUT_POLICY else unsecured_policy(DEFAULT_POLICY)
            return self._token(policy_answer(self._policies.get(kind, default)))
        token = self._allowed(_owner_token(request))
        text = read_policy_text(token)
        if name.endswith(":reset"):
            self._policies.pop(kind, None)
            return self._token(policy_removed())
        if text is None:
            raise _Refusal(400, "InvalidOperation", "there is no policy in the token")
        self._policies[kind] = token.text
        return self._token(policy_updated(token.text, token.certificates))

    def _change_signer(self, token: OwnerToken, *, add: bool) -> dict[str, JsonValue]:
        if not self._isolated:
            raise _Refusal(400, "InvalidOperation", "the instance is not an isolated one")
        certificate = read_certificate(self._allowed(token))
        if add:
            self._signers[thumbprint(certificate)] = certificate
        else:
            self._signers.pop(thumbprint(certificate), None)
        return self._token(signer_changed(certificate, present=add))

    def _allowed(self, token: OwnerToken) -> OwnerToken:
        if self._isolated and not (
            token.signed and thumbprint(token.certificates[0]) in self._signers
        ):
            raise _Refusal(400, "InvalidOperation", "it is not signed by a policy signer")
        return token

    def _token(self, content: dict[str, JsonValue]) -> dict[str, JsonValue]:
        claims = answer_claims(content, issuer=self.url, issued_at=self._now())
        return {"token": sign_token(claims, self._key, issuer=self.url)}


def _kind(name: str) -> AttestationType:
    kind = _TYPES.get(name.lower())
    if kind is None:
        raise _Refusal(404, "NotFound", f"there is no attestation type {name}")
    return kind


def _owner_token(request: HttpRequest) -> OwnerToken:
    text = request.body.decode("ascii").strip()
    unquoted = parse_json(request.body, "body") if text.startswith('"') else text
    return read_owner_token(str(unquoted))


def _held_claims(body: dict[str, JsonValue]) -> dict[str, JsonValue]:
    claims: dict[str, JsonValue] = {}
    if isinstance(nonce := body.get("nonce"), str):
        claims["nonce"] = nonce
    for member, claim in (("runtimeData", "x-ms-runtime"), ("initTimeData", "x-ms-inittime")):
        held = body.get(member)
        if isinstance(held, dict) and held["dataType"] == "JSON":
            claims[claim] = parse_json(decode_base64url(str(held["data"]), member), member)
        elif isinstance(held, dict) and member == "runtimeData":
            claims["x-ms-sgx-ehd"] = held["data"]
    return claims


def _sealed(token: str, inner_key: bytes) -> dict[str, JsonValue]:
    vector = secrets.token_bytes(12)
    sealed = AESGCM(inner_key).encrypt(vector, token.encode("ascii"), b"Transport Key")
    return {
        "Jwt": encode_base64url(sealed[:-16]),
        "EncryptedInnerKey": encode_base64url(inner_key),
        "EncryptionParams": {
            "BlockMode": "ChainingModeGCM",
            "BlockPadding": "PKCS7",
            "Cipher": "AES",
            "KeySizeInBits": 256,
            "Iv": encode_base64url(vector),
        },
        "AuthenticationData": encode_base64url(sealed[-16:]),
    }


def _headers() -> dict[str, str]:
    return {
        "content-type": "application/json; charset=utf-8",
        "x-ms-request-id": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00",
    }
