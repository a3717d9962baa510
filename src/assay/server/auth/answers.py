"""Refusals of callers as they go over the wire.

Source: MAA protocol, sections 4 and 11: 401 `Unauthorized`, also for a caller who is known and
lacks a right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from assay.errors import AssayError, IssuerUnavailableError, UnauthorizedError
from assay.server.errors import Detail, ErrorAnswer

_RETRY_SECONDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class ChallengeAnswer(ErrorAnswer):
    """A 401 with its challenge."""

    challenge: str

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Beside those that every answer has."""
        return [*super().headers, (b"www-authenticate", self.challenge.encode("ascii"))]


def access_answer(error: AssayError) -> ErrorAnswer | None:
    """The answer to a request that authentication or authorisation ended; else nothing.

    It tells what was expected, and repeats nothing of what came.
    """
    if isinstance(error, UnauthorizedError):
        return ChallengeAnswer(
            status=401,
            code="Unauthorized",
            message=error.message,
            details=tuple(
                Detail(
                    code=finding.check,
                    message=f"expected {finding.expected}",
                    target=finding.check.rpartition(".")[0],
                )
                for finding in error.findings
            ),
            challenge=error.challenge,
        )
    if isinstance(error, IssuerUnavailableError):
        # Where the issuer's keys are is for the log.
        return ErrorAnswer(
            status=503,
            code="IssuerUnavailable",
            message="the keys of the token's issuer cannot be had at the moment; try again",
            retry_seconds=_RETRY_SECONDS,
        )
    return None
