"""What a token must satisfy before the client hands it on.

Key, algorithms, time and issuer are the caller's. The token's own `jku`, `x5u`, `x5c` and `jwk`
are never followed or used, and an unsecured token passes only where one was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, final

from assay.client.attestation_token import AttestationToken
from assay.client.errors import TokenValidationError
from assay.client.signer import AttestationSigner, SignerSet
from assay.errors import Finding, RequestError, TokenError

if TYPE_CHECKING:
    from assay.encoding import JsonValue

KEY_UNKNOWN: Final = "token.jws.key_unknown"
"""The finding of a token whose key is not among the signers; newer signers may have it."""

_SHOWN_CHARACTERS: Final = 80


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TokenValidationOptions:
    """What is checked: everything, unless said otherwise."""

    validate: bool = True
    """Off, nothing is checked and the callback is not called."""

    validate_signature: bool = True
    validate_expiration: bool = True
    validate_not_before: bool = True
    validate_issuer: bool = True

    issuer: str | None = None
    """What `iss` must be. A client takes its endpoint if this is not set; `AttestationToken`,
    which knows none, does not look at `iss` then."""

    slack: timedelta = timedelta(seconds=10)
    """How far the service's clock may be from this machine's."""

    algorithms: frozenset[str] = frozenset({"RS256", "PS256", "ES256", "ES384"})
    """Of signatures, as `alg` names them: some of these four."""

    allow_unsecured: bool = False
    """Let a token without signature pass. The client does for draft policies, whose tokens have
    none: anybody may have written such a token, and nobody should rely on it."""

    signers: tuple[AttestationSigner, ...] | None = None
    """Whose signatures count, in place of those that the instance publishes."""

    at: datetime | None = None
    """The instant to check at, in place of now."""

    callback: Callable[[AttestationToken, AttestationSigner | None], bool | None] | None = None
    """Called after all other checks with the token and its signer. The token is refused if it
    returns `False`, and whatever it raises goes through."""

    def __post_init__(self) -> None:
        """Refuse what would check nothing or cannot be checked.

        Raises:
            RequestError: An algorithm that does not exist, a negative slack, an instant without
                a time zone.
        """
        known = {"RS256", "PS256", "ES256", "ES384"}
        if not self.algorithms or not self.algorithms <= known:
            raise RequestError(
                f"expected some of the algorithms {', '.join(sorted(known))}, "
                f"got {', '.join(sorted(self.algorithms)) or 'none'}"
            )
        if self.slack < timedelta(0):
            raise RequestError("expected a slack of zero or more, got a negative one")
        if self.at is not None and self.at.tzinfo is None:
            raise RequestError("expected an instant with a time zone, got one without")


def for_instance(
    options: TokenValidationOptions, endpoint: str, *, draft: bool
) -> TokenValidationOptions:
    """The options as a client of `endpoint` applies them."""
    return replace(
        options,
        issuer=endpoint if options.issuer is None else options.issuer,
        allow_unsecured=options.allow_unsecured or draft,
    )


def needs_signers(token: AttestationToken, options: TokenValidationOptions) -> bool:
    """Whether the instance's published keys are needed to validate a token."""
    wanted = options.validate and options.validate_signature and options.signers is None
    return wanted and token.secured


def validate_token(
    token: AttestationToken, options: TokenValidationOptions, signers: SignerSet, *, at: datetime
) -> AttestationSigner | None:
    """Check a token.

    Args:
        token: As it came.
        options: What to check.
        signers: Whose signatures count, unless `options` names others.
        at: The instant that the token must be valid at.

    Raises:
        TokenValidationError: With a finding for each failed check. Claims are looked at only when
            the signature holds, and then all of them.
    """
    if not options.validate:
        return None

    # 1. The signature, over the characters received.
    signer = None
    if options.validate_signature:
        if options.signers is not None:
            signers = SignerSet.of(options.signers)
        signer = _check_signature(token, options, signers)

    # 2. The claims.
    findings = (*_time_findings(token, options, at), *_issuer_findings(token, options))
    if findings:
        reasons = "; ".join(f"need {one.expected}, got {one.actual}" for one in findings)
        raise TokenValidationError(
            f"the token is not valid here and now: {reasons}", findings=findings
        )

    # 3. What else the caller wants of it.
    if options.callback is not None and options.callback(token, signer) is False:
        raise _refused("token.claims.callback", "a token that the callback accepts", "a refusal")
    return signer


def _check_signature(
    token: AttestationToken, options: TokenValidationOptions, signers: SignerSet
) -> AttestationSigner | None:
    from assay.keys import SigningAlgorithm
    from assay.token import verify_signature

    if not token.secured:
        if not options.allow_unsecured:
            raise _refused("token.jws.unsecured", "a signature", "an unsecured token (alg none)")
        if token.signature:
            raise _refused("token.jws.unsecured", "no signature under alg none", "one")
        return None
    algorithms = frozenset(SigningAlgorithm(name) for name in options.algorithms)
    try:
        key = verify_signature(token.text, signers.keys, algorithms=algorithms)
    except TokenError as error:
        raise TokenValidationError(error.message, findings=error.findings) from error
    return signers.signer(key.kid)


def _time_findings(
    token: AttestationToken, options: TokenValidationOptions, at: datetime
) -> list[Finding]:
    findings: list[Finding] = []
    if options.validate_expiration:
        ends = token.expires_at
        if ends is None:
            findings.append(_finding("token.claims.claims_format", "a time exp", token, "exp"))
        elif at >= ends + options.slack:
            expected = f"exp after {at.isoformat()}"
            findings.append(_finding("token.claims.token_expired", expected, token, "exp"))
    if options.validate_not_before:
        begins = token.not_before
        if begins is None:
            findings.append(_finding("token.claims.claims_format", "a time nbf", token, "nbf"))
        elif at < begins - options.slack:
            expected = f"nbf not after {at.isoformat()}"
            findings.append(_finding("token.claims.token_not_yet_valid", expected, token, "nbf"))
    return findings


def _issuer_findings(token: AttestationToken, options: TokenValidationOptions) -> list[Finding]:
    wanted = options.issuer if options.validate_issuer else None
    if wanted is None or token.claims.get("iss") == wanted:
        return []
    return [_finding("token.claims.issuer", f"iss {wanted}", token, "iss")]


def _finding(check: str, expected: str, token: AttestationToken, claim: str) -> Finding:
    return Finding(check=check, expected=expected, actual=_shown(token.claims.get(claim)))


def _refused(check: str, expected: str, actual: str) -> TokenValidationError:
    finding = Finding(check=check, expected=expected, actual=actual)
    return TokenValidationError(f"the token needs {expected}, got {actual}", findings=[finding])


def _shown(value: JsonValue) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
