"""What a check says when it refuses, for tests that compare findings and never text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.errors import (
    CollateralUnavailableError,
    MalformedEvidenceError,
    OperationRefusedError,
    ReleaseRefusedError,
    TokenError,
    UntrustedEvidenceError,
)


def refusal_of(check: Callable[[], object]) -> tuple[str, ...]:
    """The codes of the findings that `check` is refused with."""
    with pytest.raises((UntrustedEvidenceError, MalformedEvidenceError)) as caught:
        check()
    return tuple(finding.check for finding in caught.value.findings)


def unavailability_of(gather: Callable[[], object]) -> tuple[str, ...]:
    """The codes of the findings with which `gather` has no collateral to give."""
    with pytest.raises(CollateralUnavailableError) as caught:
        gather()
    return tuple(finding.check for finding in caught.value.findings)


def owner_refusal_of(change: Callable[[], object]) -> tuple[str, ...]:
    """The codes of the findings that an owner's `change` is refused with."""
    with pytest.raises((TokenError, OperationRefusedError)) as caught:
        change()
    return tuple(finding.check for finding in caught.value.findings)


def release_refusal_of(attempt: Callable[[], object]) -> list[str]:
    """The codes of the findings that a release is refused with, in their order."""
    with pytest.raises(ReleaseRefusedError) as caught:
        attempt()
    return [one.check for one in caught.value.findings]
