"""Whether and when a call is tried again; `tenacity` does the waiting."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from assay.client.call import Call
from assay.client.errors import AttestationError, TransportError
from assay.client.options import RetryPolicy

if TYPE_CHECKING:
    from tenacity import RetryCallState

_THROTTLED: Final = 429
_RANDOM: Final = random.SystemRandom()


def retry_arguments(call: Call, policy: RetryPolicy) -> dict[str, Any]:
    """What `tenacity.Retrying` and `AsyncRetrying` are made with."""
    from tenacity import retry_if_exception, stop_after_attempt

    return {
        "retry": retry_if_exception(_is_worth_it(call, policy)),
        "stop": stop_after_attempt(policy.attempts),
        "wait": _wait(policy),
        "reraise": True,
    }


def may_repeat(call: Call, error: AttestationError) -> bool:
    """Whether trying again may help and does no harm."""
    if not error.retryable:
        return False
    unseen = error.status == _THROTTLED or (isinstance(error, TransportError) and not error.sent)
    return call.repeatable or unseen


def wait_seconds(policy: RetryPolicy, attempt: int, asked: float | None, *, jitter: float) -> float:
    """How long to wait after a failed attempt.

    Args:
        policy: The caller's.
        attempt: The number of the one that failed, from 1.
        asked: What the service asked for.
        jitter: From 0 to 1, by chance: so that clients which failed together come back one by one.
    """
    doubled = min(policy.first_wait_seconds * 2.0 ** (attempt - 1), policy.max_wait_seconds)
    return max(doubled * (1 - jitter / 2), asked or 0.0)


def _is_worth_it(call: Call, policy: RetryPolicy) -> Callable[[BaseException], bool]:
    def decide(error: BaseException) -> bool:
        return (
            isinstance(error, AttestationError)
            and may_repeat(call, error)
            and (error.retry_after_seconds or 0.0) <= policy.max_wait_seconds
        )

    return decide


def _wait(policy: RetryPolicy) -> Callable[[RetryCallState], float]:
    def wait(state: RetryCallState) -> float:
        error = None if state.outcome is None else state.outcome.exception()
        asked = error.retry_after_seconds if isinstance(error, AttestationError) else None
        return wait_seconds(policy, state.attempt_number, asked, jitter=_RANDOM.random())

    return wait
