from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from assay.errors import ReleaseRefusedError
from assay.keyrelease.challenges import Challenges
from assay.keyrelease.context import ReleaseContext
from tests.conftest import AT
from tests.release import release_context

LIFETIME: Final = timedelta(seconds=60)


def _refusal(challenges: Challenges, context: ReleaseContext, seconds: float = 0) -> str:
    with pytest.raises(ReleaseRefusedError) as caught:
        challenges.redeem(context, at=AT + timedelta(seconds=seconds))
    (finding,) = caught.value.findings
    return finding.check


def test_a_challenge_serves_once() -> None:
    """BI-03, BI-07."""
    challenges = Challenges(lifetime=LIFETIME)
    context, until = challenges.issue("database", "payroll", at=AT)

    challenges.redeem(context, at=AT)

    assert until == AT + LIFETIME
    assert _refusal(challenges, context) == "keyrelease.challenge.used"


def test_two_challenges_are_never_equal() -> None:
    """BI-02."""
    challenges = Challenges(lifetime=LIFETIME)

    nonces = {challenges.issue("database", "payroll", at=AT)[0].nonce for _ in range(100)}

    assert len(nonces) == 100


def test_a_challenge_ends() -> None:
    challenges = Challenges(lifetime=LIFETIME)
    early, _ = challenges.issue("database", "payroll", at=AT)
    late, _ = challenges.issue("database", "payroll", at=AT)

    challenges.redeem(early, at=AT + timedelta(seconds=59.9))

    assert _refusal(challenges, late, 60) == "keyrelease.challenge.expired"


@pytest.mark.parametrize("change", [{"name": "signing"}, {"requester": "another"}])
def test_a_challenge_for_something_else_is_refused_and_used_up(change: dict[str, str]) -> None:
    challenges = Challenges(lifetime=LIFETIME)
    context, _ = challenges.issue("database", "payroll", at=AT)

    assert _refusal(challenges, release_context(nonce=context.nonce, **change)) == (
        "keyrelease.challenge.context"
    )
    assert _refusal(challenges, context) == "keyrelease.challenge.used"


def test_a_challenge_of_another_broker_is_refused() -> None:
    context, _ = Challenges(lifetime=LIFETIME).issue("database", "payroll", at=AT)

    assert _refusal(Challenges(lifetime=LIFETIME), context) == "keyrelease.challenge.unknown"


def test_no_more_than_so_many_are_outstanding() -> None:
    """PA-13."""
    challenges = Challenges(lifetime=LIFETIME, limit=2)
    first, _ = challenges.issue("database", "payroll", at=AT)
    challenges.issue("database", "payroll", at=AT)

    with pytest.raises(ReleaseRefusedError) as caught:
        challenges.issue("database", "payroll", at=AT + timedelta(seconds=119))
    assert [one.check for one in caught.value.findings] == ["keyrelease.challenge.busy"]
    challenges.issue("database", "payroll", at=AT + timedelta(seconds=120))
    assert _refusal(challenges, first) == "keyrelease.challenge.unknown"
