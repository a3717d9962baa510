"""Windows of validity, checked against a given instant and never against a clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cryptography import x509

from assay.errors import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """When one certificate, CRL or document holds. Both bounds are inclusive, Unix seconds."""

    check: str
    """`<format>.<object>`: the start of the finding's code."""

    kind: Literal["cert", "crl", "collateral"]
    label: str
    """The object in words, for findings."""

    not_before: int
    not_after: int

    def finding_at(self, at: int, *, grace: int = 0) -> Finding | None:
        """The failed check at Unix second `at`, if any.

        `grace` seconds extend the upper bound of CRLs and documents, never of certificates.
        """
        if at < self.not_before:
            return Finding(
                check=f"{self.check}.{self.kind}_not_yet_valid",
                expected=f"{self.label} valid at {rfc3339(at)}",
                actual=f"valid from {rfc3339(self.not_before)}",
                hint="check the clock that the evidence is judged by",
            )
        if at > self.not_after + (0 if self.kind == "cert" else grace):
            return Finding(
                check=f"{self.check}.{self.kind}_expired",
                expected=f"{self.label} valid at {rfc3339(at)}",
                actual=f"expired {rfc3339(self.not_after)}",
                hint=_EXPIRY_HINTS[self.kind],
            )
        return None


_EXPIRY_HINTS = {
    "cert": "the issuer has to renew it",
    "crl": "fetch current collateral",
    "collateral": "fetch current collateral",
}


@dataclass(frozen=True, slots=True)
class ValidityPeriod:
    """Several windows as one: the common case costs two comparisons."""

    windows: tuple[Validity, ...]
    not_before: int
    not_after: int

    @classmethod
    def of(cls, windows: Iterable[Validity]) -> ValidityPeriod:
        """The intersection of `windows`, of which there must be one at least."""
        kept = tuple(windows)
        return cls(
            kept,
            max(window.not_before for window in kept),
            min(window.not_after for window in kept),
        )

    def findings_at(self, at: int, *, grace: int = 0) -> Sequence[Finding]:
        """The failed checks at Unix second `at`."""
        if self.not_before <= at <= self.not_after:
            return ()
        found = (window.finding_at(at, grace=grace) for window in self.windows)
        return tuple(finding for finding in found if finding is not None)

    def expired_at(self, at: int) -> tuple[str, ...]:
        """The labels of what has expired at Unix second `at`, grace or not."""
        if at <= self.not_after:
            return ()
        return tuple(window.label for window in self.windows if at > window.not_after)


def certificate_validity(certificate: x509.Certificate, *, check: str, label: str) -> Validity:
    """The window of a certificate."""
    return Validity(
        check=check,
        kind="cert",
        label=label,
        not_before=int(certificate.not_valid_before_utc.timestamp()),
        not_after=int(certificate.not_valid_after_utc.timestamp()),
    )


def rfc3339(seconds: int) -> str:
    """Unix seconds as RFC 3339 in UTC, to the second."""
    # Not `strftime`: its `%Y` writes the year 10 with two digits.
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat() + "Z"
