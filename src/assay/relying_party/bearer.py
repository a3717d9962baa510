"""Attestation tokens as bearer tokens, and what callers are told when theirs does not do.

Callers learn the codes of the findings and never what was expected or what came, which is for the
log of whoever runs the relying party.

Source: RFC 6750 sections 2.1 and 3.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, final

from assay.encoding import encode_json
from assay.errors import (
    AssayError,
    CollateralUnavailableError,
    Finding,
    IssuerUnavailableError,
    TokenError,
)
from assay.relying_party.aio import AsyncTokenVerifier
from assay.token import VerifiedToken

_LOG: Final = logging.getLogger(__name__)
_SCHEME: Final = "bearer"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer instead of what was asked for."""

    status: HTTPStatus
    code: str
    """As RFC 6750 has it; empty where no token came."""

    findings: tuple[str, ...] = ()
    """Codes only."""

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate`; empty where it would not help."""
        if self.status is not HTTPStatus.UNAUTHORIZED:
            return ""
        return f'Bearer error="{self.code}"' if self.code else "Bearer"

    @property
    def message(self) -> str:
        """One sentence for people."""
        if self.status is HTTPStatus.SERVICE_UNAVAILABLE:
            return "attestation tokens cannot be verified now; try again"
        if not self.code:
            return "send one attestation token as `Authorization: Bearer`"
        return "the attestation token is not accepted"

    @property
    def body(self) -> bytes:
        """The answer's body as JSON."""
        return encode_json(
            {"error": {"message": self.message, "findings": list(self.findings)}},
        )


class RefusedError(Exception):
    """A request must not go on; carries the answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


async def authenticate(verifier: AsyncTokenVerifier, authorization: Iterable[str]) -> VerifiedToken:
    """The token that a request brings, verified.

    Args:
        verifier: What verifies it.
        authorization: The values of all `Authorization` headers.

    Raises:
        RefusedError: There is not one good token.
    """
    values = list(authorization)
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != _SCHEME or not token.strip():
        raise RefusedError(Refusal(status=HTTPStatus.UNAUTHORIZED, code=""))
    try:
        return await verifier.verify(token.strip())
    except TokenError as error:
        _log(error, error.findings)
        raise RefusedError(
            Refusal(
                status=HTTPStatus.UNAUTHORIZED,
                code="invalid_token",
                findings=tuple(finding.check for finding in error.findings),
            )
        ) from error
    except (IssuerUnavailableError, CollateralUnavailableError) as error:
        _log(error, error.findings)
        raise RefusedError(
            Refusal(status=HTTPStatus.SERVICE_UNAVAILABLE, code="temporarily_unavailable")
        ) from error


def _log(error: AssayError, findings: tuple[Finding, ...]) -> None:
    reasons = "; ".join(map(str, findings)) or error.message
    _LOG.warning("attestation token refused: %s", reasons)
