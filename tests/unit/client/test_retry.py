from __future__ import annotations

import pytest

from assay.client import ErrorAnswer, RequestError, RetryPolicy, ServiceError, TransportError
from assay.client.call import Call, get
from assay.client.errors import AttestationError
from assay.client.retry import may_repeat, wait_seconds

_READ = get("read", "/certs")
_CHANGE = Call(name="change", method="PUT", path="/policies/Tpm", repeatable=False)


def _service(status: int, *, retryable: bool = True) -> ServiceError:
    return ServiceError("x", answer=ErrorAnswer(status=status), retryable=retryable)


@pytest.mark.parametrize(
    ("error", "of_read", "of_change"),
    [
        (_service(503), True, False),
        (_service(429), True, True),
        (_service(400, retryable=False), False, False),
        (TransportError("x", retryable=True, sent=False), True, True),
        (TransportError("x", retryable=True, sent=True), True, False),
        (TransportError("x"), False, False),
    ],
)
def test_what_does_no_harm_is_repeated(
    error: AttestationError, *, of_read: bool, of_change: bool
) -> None:
    assert may_repeat(_READ, error) is of_read
    assert may_repeat(_CHANGE, error) is of_change


@pytest.mark.parametrize(
    ("attempt", "asked", "jitter", "expected"),
    [
        (1, None, 0.0, 0.5),
        (2, None, 0.0, 1.0),
        (3, None, 1.0, 1.0),
        (20, None, 0.0, 30.0),
        (1, 7.0, 0.5, 7.0),
        (5, 1.0, 0.0, 8.0),
    ],
)
def test_waits_grow_and_the_service_has_its_say(
    attempt: int, asked: float | None, jitter: float, expected: float
) -> None:
    assert wait_seconds(RetryPolicy(), attempt, asked, jitter=jitter) == expected


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"first_wait_seconds": -1}, {"max_wait_seconds": -1}]
)
def test_a_policy_without_attempts_or_with_negative_waits_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(RequestError):
        RetryPolicy(**wrong)
