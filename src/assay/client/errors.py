"""What can come back instead of an answer. Callers retry one and read the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.errors import AssayError


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """One reason that the service gives."""

    code: str
    message: str


class TransportError(AssayError):
    """No answer came: no connection, no trust in it, or no end of it in time."""


class ServiceError(AssayError):
    """The service answered with an error, or with something that is not an answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        inner_code: str = "",
        details: Sequence[ErrorDetail] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        """The protocol's code, for example `InvalidParameter`; empty where there was none."""
        self.inner_code = inner_code
        self.details = tuple(details)
