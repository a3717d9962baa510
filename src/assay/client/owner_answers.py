"""What tokens say to an instance's owner, read.

Source: MAA protocol, sections 5.2, 7 and 8.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import Final, TypeVar

from assay.client.attestation_token import AttestationToken
from assay.client.errors import ErrorAnswer, ServiceError, TokenValidationError
from assay.client.policy_result import (
    CertificateModification,
    PolicyCertificatesModificationResult,
    PolicyModification,
    PolicyResult,
)
from assay.client.signer import AttestationSigner
from assay.encoding import EncodingError, JsonValue, decode_base64url
from assay.errors import Finding

_OK: Final = 200
EnumT = TypeVar("EnumT", bound=StrEnum)


def read_policy(token: AttestationToken) -> str | None:
    """The text of a stored policy, or nothing where none is set.

    Raises:
        ServiceError: The token has no policy in the protocol's form.
    """
    try:
        stored = AttestationToken.decode(_text(token, "x-ms-policy"))
        if not stored.payload:
            return None
        return decode_base64url(_text(stored, "AttestationPolicy"), "policy").decode("utf-8")
    except (TokenValidationError, EncodingError, UnicodeDecodeError) as error:
        raise _strange("a stored policy as x-ms-policy") from error


def read_policy_change(token: AttestationToken) -> PolicyResult:
    """What became of a policy.

    Raises:
        ServiceError: The token does not say.
    """
    claims = token.claims
    signer = claims.get("x-ms-policy-signer")
    token_hash = claims.get("x-ms-policy-token-hash")
    try:
        return PolicyResult(
            resolution=_choice(token, "x-ms-policy-result", PolicyModification),
            signer=AttestationSigner.from_jwk(signer) if isinstance(signer, dict) else None,
            token_hash=(
                None if token_hash is None else decode_base64url(str(token_hash), "token hash")
            ),
        )
    except EncodingError as error:
        raise _strange("a hash as x-ms-policy-token-hash") from error


def check_received(result: PolicyResult, sent: AttestationToken) -> None:
    """Make sure that the service has the policy that was sent.

    Raises:
        TokenValidationError: It has another one, or does not say which.
    """
    digest = hashlib.sha256(sent.text.encode("ascii")).digest()
    received = result.token_hash or b""
    if not hmac.compare_digest(digest, received):
        finding = Finding(
            check="token.claims.policy_token_hash",
            expected=digest.hex(),
            actual=received.hex() or "nothing",
        )
        raise TokenValidationError(
            "the service has set another policy than the one that was sent, or does not say which",
            findings=[finding],
        )


def read_certificates(token: AttestationToken) -> tuple[AttestationSigner, ...]:
    """The signers of an instance; none, if it is not an isolated one.

    Raises:
        ServiceError: The token has no list of them.
    """
    return read_signers(token.claims.get("x-ms-policy-certificates"))


def read_signers(document: JsonValue) -> tuple[AttestationSigner, ...]:
    """The keys of a key set, whatever they are good for.

    Raises:
        ServiceError: It is none.
    """
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise _strange("a key set")
    return tuple(AttestationSigner.from_jwk(key) for key in keys if isinstance(key, dict))


def read_certificate_change(token: AttestationToken) -> PolicyCertificatesModificationResult:
    """What became of a signer.

    Raises:
        ServiceError: The token does not say.
    """
    return PolicyCertificatesModificationResult(
        resolution=_choice(token, "x-ms-policycertificates-result", CertificateModification),
        thumbprint=_text(token, "x-ms-certificate-thumbprint"),
    )


def _choice(token: AttestationToken, claim: str, kind: type[EnumT]) -> EnumT:
    value = _text(token, claim)
    try:
        return kind(value)
    except ValueError as error:
        raise _strange(f"one of {', '.join(kind)} as {claim}") from error


def _text(token: AttestationToken, claim: str) -> str:
    value = token.claims.get(claim)
    if not isinstance(value, str):
        raise _strange(f"a text as {claim}")
    return value


def _strange(expected: str) -> ServiceError:
    return ServiceError(
        f"expected an answer with {expected}, got one without; "
        "check that the address is an attestation service's",
        answer=ErrorAnswer(status=_OK),
    )
