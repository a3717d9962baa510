"""Reading and checking a token that came from outside.

Key, algorithms, time and issuer are the caller's; nothing of this is taken from the token. Its
`jku`, `x5u`, `x5c` and `jwk` are never followed or used.

Source: RFC 7515 section 5.2, RFC 7519 sections 4.1 and 7.2, RFC 8725 section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, final

from joserfc import jws

from assay.encoding import (
    EncodingError,
    JsonValue,
    decode_base64url,
    encode_base64url,
    parse_json_object,
)
from assay.errors import Finding, TokenError
from assay.keys import SigningAlgorithm
from assay.token.key_set import KeyKind, KeySet, VerificationKey

MAX_TOKEN_CHARACTERS: Final = 1 << 18
"""Some fifty times the largest attestation token recorded; policies travel in tokens too."""

_PARTS: Final = 3
_KEPT_HEADERS: Final = 256
_KEPT_HEADER_CHARACTERS: Final = 1024
"""An issuer's tokens of one key share their header, which then is read once; less than 1 MB."""

_KINDS: Final[dict[SigningAlgorithm, KeyKind]] = {
    SigningAlgorithm.RS256: "RSA",
    SigningAlgorithm.PS256: "RSA",
    SigningAlgorithm.ES256: "P-256",
    SigningAlgorithm.ES384: "P-384",
}

_SHOWN_CHARACTERS: Final = 80
"""How much of a value from the token an error shows."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExpectations:
    """What the relying party demands of a token besides a signature."""

    issuer: str
    """The instance's URL as it stands in `iss`: without a trailing slash, compared exactly."""

    audiences: frozenset[str] = frozenset()
    """The reader's names. A token for others is refused, as is one for anybody if there are any."""

    types: frozenset[str] = frozenset({"JWT"})
    """Media types that `typ` may name, without `application/`; a token need not name its type."""

    times: frozenset[str] = frozenset({"exp", "nbf", "iat"})
    """The times that must be there. Those of the three that are there are always checked."""

    algorithms: frozenset[SigningAlgorithm] = frozenset(SigningAlgorithm)

    clock_skew: timedelta = timedelta(0)
    """How far the issuer's clock may be from the reader's."""

    allow_unsecured: bool = False
    """Let a token without signature pass, such as a draft policy's result. It proves nothing."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """A token that passed every check. Only `verify_token` constructs it."""

    header: Mapping[str, JsonValue]
    claims: Mapping[str, JsonValue]

    kid: str | None
    """The key that its signature was checked with; nothing for an unsecured token."""

    signed: bool
    """False only for an unsecured token that was allowed: anybody may have written it."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """What a token says, unchecked: for people to look at, never to decide on."""

    header: Mapping[str, JsonValue]
    claims: Mapping[str, JsonValue]


def verify_token(
    token: str, keys: KeySet, *, at: datetime, expect: TokenExpectations
) -> VerifiedToken:
    """The content of a token, after every check.

    Not checked: the certificate that the key came with, which nobody vouches for, and claims
    beyond `iss`, `aud`, `exp`, `nbf` and `iat`.

    Args:
        token: In JWS compact form.
        keys: The issuer's keys, from a source that the caller trusts.
        at: The instant that the token must be valid at.
        expect: The other demands.

    Raises:
        TokenError: With a finding for each failed check. Claims are looked at only when the
            signature holds, and then all of them.
    """
    # 1. Form and size, before anything is decoded.
    header_part, payload_part, signature_part = _split(token)

    # 2. The header: strict JSON, and nothing in it that changes what a signature means.
    header = _header(header_part)
    if "typ" in header:
        _check_type(header["typ"], expect.types)

    # 3. Algorithm, key and signature, over the characters received.
    kid: str | None = None
    if header["alg"] == "none":
        _check_unsecured(signature_part, allowed=expect.allow_unsecured)
    else:
        algorithm = _algorithm(header["alg"], expect.algorithms)
        key = _key(header.get("kid"), algorithm, keys)
        _check_signature(f"{header_part}.{payload_part}", signature_part, key, algorithm)
        kid = key.kid

    # 4. The claims, from the very characters that were signed.
    claims = _object(payload_part, "payload")
    findings = (
        *_time_findings(claims, expect, at=at),
        *_party_findings(claims, expect),
    )
    if findings:
        reasons = "; ".join(f"need {one.expected}, got {one.actual}" for one in findings)
        raise TokenError(f"the token is not valid here and now: {reasons}", findings=findings)
    return VerifiedToken(header=header, claims=claims, kid=kid, signed=kid is not None)


def read_unverified(token: str) -> UnverifiedToken:
    """What a token says, without a check of its signature, its times or its issuer.

    Raises:
        TokenError: Not a token in JWS compact form with JSON objects inside.
    """
    header_part, payload_part, _ = _split(token)
    return UnverifiedToken(
        header=_object(header_part, "header"), claims=_object(payload_part, "payload")
    )


def read_key_id(token: str) -> JsonValue:
    """The `kid` of a token, unchecked: good for choosing which keys to have at hand.

    Raises:
        TokenError: Too long, or without a header that is a JSON object and names an algorithm.
    """
    _check_size(token)
    return _header(token.partition(".")[0]).get("kid")


def verify_signature(
    token: str,
    keys: KeySet,
    *,
    algorithms: frozenset[SigningAlgorithm] = frozenset(SigningAlgorithm),
    types: frozenset[str] = frozenset({"JWT"}),
) -> VerificationKey:
    """The key that signed a token: steps 1 to 3 of `verify_token`, without its claims.

    A token that names no key is tried with each of the set that its algorithm signs with.

    Args:
        token: In JWS compact form; its payload may be empty.
        keys: From a source that the caller trusts.
        algorithms: Those that count.
        types: Media types that `typ` may name.

    Raises:
        TokenError: With the finding of the check that failed; an unsecured token is refused.
    """
    header_part, payload_part, signature_part = _split(token, payload_needed=False)
    header = _header(header_part)
    if "typ" in header:
        _check_type(header["typ"], types)
    if header["alg"] == "none":
        _check_unsecured("", allowed=False)
    algorithm = _algorithm(header["alg"], algorithms)
    signed = f"{header_part}.{payload_part}"
    if "kid" in header:
        key = _key(header["kid"], algorithm, keys)
        _check_signature(signed, signature_part, key, algorithm)
        return key
    for candidate in keys.keys.values():
        if _fits(candidate, algorithm) and _is_signed(signed, signature_part, candidate, algorithm):
            return candidate
    raise _refused("token.jws.key_unknown", "a signature by a key of the set", "another")


_VERIFIERS: Final = {
    algorithm: jws.JWSRegistry(algorithms=[algorithm.value]).get_alg(algorithm.value)
    for algorithm in SigningAlgorithm
}


def _check_size(token: str) -> None:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise _refused(
            "token.jws.size", f"at most {MAX_TOKEN_CHARACTERS} characters", f"{len(token)}"
        )


def _split(token: str, *, payload_needed: bool = True) -> tuple[str, str, str]:
    _check_size(token)
    parts = token.split(".", _PARTS)
    if len(parts) != _PARTS or not parts[0] or (payload_needed and not parts[1]):
        raise _refused(
            "token.jws.token_format",
            "three parts of base64url with a dot between",
            "an empty part" if len(parts) == _PARTS else f"{token.count('.') + 1} parts",
        )
    header, payload, signature = parts
    return header, payload, signature


def _object(part: str, what: str) -> dict[str, JsonValue]:
    try:
        data = _decode(part, what)
        return parse_json_object(data, what)
    except EncodingError as error:
        raise _refused(
            "token.jws.token_format", f"a strict JSON object as {what}", _shown(error.message)
        ) from error


def _decode(part: str, what: str) -> bytes:
    """The bytes of a part.

    Raises:
        EncodingError: Not base64url, or another spelling than the one that the bytes have.
    """
    data = decode_base64url(part, what)
    # Spare bits of the last character must be zero and padding absent, or one token has several
    # spellings. Only the end can differ.
    tail = len(data) % 3
    if "=" in part or (tail and encode_base64url(data[-tail:]) != part[-tail - 1 :]):
        raise EncodingError(f"{what}: expected the only base64url spelling, got another")
    return data


def _header(part: str) -> Mapping[str, JsonValue]:
    return _read_header(part) if len(part) > _KEPT_HEADER_CHARACTERS else _kept_header(part)


def _read_header(part: str) -> Mapping[str, JsonValue]:
    header = _object(part, "header")
    if not isinstance(header.get("alg"), str):
        raise _refused("token.jws.algorithm", "a string `alg`", _shown(header.get("alg")))
    for member in ("crit", "b64"):
        if member in header:
            raise _refused(
                "token.jws.critical_header", "no header extensions", f"a member {member!r}"
            )
    return MappingProxyType(header)


@lru_cache(maxsize=_KEPT_HEADERS)
def _kept_header(part: str) -> Mapping[str, JsonValue]:
    return _read_header(part)


def _check_type(kind: JsonValue, types: frozenset[str]) -> None:
    # RFC 7515 section 4.1.9: media types have no case, and `application/` may be left out.
    name = kind.lower().removeprefix("application/") if isinstance(kind, str) else None
    if name not in {one.lower() for one in types}:
        wanted = " or ".join(sorted(types))
        raise _refused("token.jws.token_type", f"the type {wanted}", _shown(kind))


def _algorithm(name: JsonValue, allowed: frozenset[SigningAlgorithm]) -> SigningAlgorithm:
    for algorithm in allowed:
        if name == algorithm.value:
            return algorithm
    raise _refused("token.jws.algorithm", f"one of {', '.join(sorted(allowed))}", _shown(name))


def _check_unsecured(signature_part: str, *, allowed: bool) -> None:
    if not allowed:
        raise _refused("token.jws.unsecured", "a signature", "an unsecured token (alg none)")
    if signature_part:
        raise _refused("token.jws.unsecured", "no signature under alg none", "one")


def _key(kid: JsonValue, algorithm: SigningAlgorithm, keys: KeySet) -> VerificationKey:
    if not isinstance(kid, str):
        raise _refused("token.jws.key_unknown", "a string `kid`", _shown(kid))
    key = keys.keys.get(kid)
    if key is None:
        reason = keys.passed_over.get(kid)
        actual = f"{_shown(kid)}, not in the set" if reason is None else f"{_shown(kid)}: {reason}"
        raise _refused("token.jws.key_unknown", "the kid of a usable key of the set", actual)
    if not _fits(key, algorithm):
        bound = f" for {_shown(key.algorithm)}" if key.algorithm else ""
        raise _refused(
            "token.jws.key_mismatch", f"a key that {algorithm} signs with", f"{key.kind}{bound}"
        )
    return key


def _fits(key: VerificationKey, algorithm: SigningAlgorithm) -> bool:
    return key.kind == _KINDS[algorithm] and key.algorithm in {None, algorithm.value}


def _is_signed(
    signed: str, signature_part: str, key: VerificationKey, algorithm: SigningAlgorithm
) -> bool:
    try:
        signature = _decode(signature_part, "signature")
        return _VERIFIERS[algorithm].verify(signed.encode("ascii"), signature, key.key)
    except (EncodingError, UnicodeEncodeError):
        return False


def _check_signature(
    signed: str, signature_part: str, key: VerificationKey, algorithm: SigningAlgorithm
) -> None:
    if not _is_signed(signed, signature_part, key, algorithm):
        raise _refused(
            "token.jws.token_signature",
            f"an {algorithm} signature by key {_shown(key.kid)}",
            "one that does not verify",
        )


def _time_findings(
    claims: Mapping[str, JsonValue], expect: TokenExpectations, *, at: datetime
) -> tuple[Finding, ...]:
    now, slack = at.timestamp(), expect.clock_skew.total_seconds()
    findings: list[Finding] = []
    for name in ("exp", "nbf", "iat"):
        if name not in claims and name not in expect.times:
            continue
        instant = claims.get(name)
        # `bool` is an `int` in Python.
        if isinstance(instant, bool) or not isinstance(instant, int | float):
            findings.append(_finding("token.claims.claims_format", f"a number {name}", instant))
        elif name == "exp" and now >= instant + slack:
            findings.append(
                _finding("token.claims.token_expired", f"exp after {at.isoformat()}", instant)
            )
        elif name != "exp" and now < instant - slack:
            findings.append(
                _finding(
                    "token.claims.token_not_yet_valid",
                    f"{name} not after {at.isoformat()}",
                    instant,
                )
            )
    return tuple(findings)


def _party_findings(
    claims: Mapping[str, JsonValue], expect: TokenExpectations
) -> tuple[Finding, ...]:
    findings: list[Finding] = []
    issuer = claims.get("iss")
    if issuer != expect.issuer:
        findings.append(_finding("token.claims.issuer", f"iss {expect.issuer}", issuer))
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    # RFC 7519 section 4.1.3: a token that names its readers is refused by everyone else.
    if expect.audiences:
        wanted = any(name in named for name in expect.audiences)
    else:
        wanted = "aud" not in claims
    if not wanted:
        names = " or ".join(sorted(expect.audiences))
        expected = f"aud {names}" if names else "no aud"
        findings.append(_finding("token.claims.audience", expected, audience))
    return tuple(findings)


def _finding(check: str, expected: str, actual: JsonValue) -> Finding:
    return Finding(check=check, expected=expected, actual=_shown(actual))


def _refused(check: str, expected: str, actual: str) -> TokenError:
    finding = Finding(check=check, expected=expected, actual=actual)
    return TokenError(f"the token needs {expected}, got {actual}", findings=[finding])


def _shown(value: JsonValue) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
