"""Reading and checking a token that came from outside.

Key, algorithms, time and issuer are the caller's; nothing of this is taken from the token. Its
`jku`, `x5u`, `x5c` and `jwk` are never followed or used.

Source: RFC 7515 section 5.2, RFC 7519 sections 4.1 and 7.2, RFC 8725 section 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, final

from joserfc import jws
from joserfc.errors import JoseError

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

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")

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
    header = _header(header_part, expect.types)

    # 3. Algorithm, key and signature, over the characters received.
    kid: str | None = None
    if header["alg"] == "none":
        _check_unsecured(signature_part, allowed=expect.allow_unsecured)
    else:
        algorithm = _algorithm(header["alg"], expect.algorithms)
        key = _key(header.get("kid"), algorithm, keys)
        _check_signature(token, key, algorithm)
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


class _Registry(jws.JWSRegistry):
    """Sizes are limited by `MAX_TOKEN_CHARACTERS`; RFC 7515 section 4 ignores unknown members."""

    max_header_length = MAX_TOKEN_CHARACTERS
    max_payload_length = MAX_TOKEN_CHARACTERS
    max_signature_length = MAX_TOKEN_CHARACTERS


_REGISTRIES: Final = {
    algorithm: _Registry(algorithms=[algorithm.value], strict_check_header=False)
    for algorithm in SigningAlgorithm
}


def _split(token: str) -> tuple[str, str, str]:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise _refused(
            "token.jws.size", f"at most {MAX_TOKEN_CHARACTERS} characters", f"{len(token)}"
        )
    match = _COMPACT.fullmatch(token)
    if match is None:
        dots = token.count(".")
        raise _refused(
            "token.jws.token_format",
            "three parts of base64url with a dot between",
            f"{dots + 1} parts" if dots != 2 else "characters of another alphabet or an empty part",  # noqa: PLR2004
        )
    header, payload, signature = match.groups()
    return header, payload, signature


def _object(part: str, what: str) -> dict[str, JsonValue]:
    try:
        data = decode_base64url(part, what)
        content = parse_json_object(data, what)
    except EncodingError as error:
        raise _refused(
            "token.jws.token_format", f"a strict JSON object as {what}", _shown(error.message)
        ) from error
    # Spare bits of the last character must be zero, or one token has several spellings.
    if encode_base64url(data) != part:
        raise _refused(
            "token.jws.token_format", f"the only base64url spelling of the {what}", "another"
        )
    return content


def _header(part: str, types: frozenset[str]) -> dict[str, JsonValue]:
    header = _object(part, "header")
    if not isinstance(header.get("alg"), str):
        raise _refused("token.jws.algorithm", "a string `alg`", _shown(header.get("alg")))
    for member in ("crit", "b64"):
        if member in header:
            raise _refused(
                "token.jws.critical_header", "no header extensions", f"a member {member!r}"
            )
    if "typ" in header:
        _check_type(header["typ"], types)
    return header


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
    if key.kind != _KINDS[algorithm] or key.algorithm not in {None, algorithm.value}:
        bound = f" for {_shown(key.algorithm)}" if key.algorithm else ""
        raise _refused(
            "token.jws.key_mismatch", f"a key that {algorithm} signs with", f"{key.kind}{bound}"
        )
    return key


def _check_signature(token: str, key: VerificationKey, algorithm: SigningAlgorithm) -> None:
    try:
        jws.deserialize_compact(token, key.key, registry=_REGISTRIES[algorithm])
    except JoseError as error:
        raise _refused(
            "token.jws.token_signature",
            f"an {algorithm} signature by key {_shown(key.kid)}",
            "one that does not verify",
        ) from error


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
