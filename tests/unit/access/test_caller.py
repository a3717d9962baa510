from __future__ import annotations

import pytest

from assay.access import ANONYMOUS, Caller, CallerKind, Grants, Right, check_caller_name


@pytest.mark.parametrize("right", Right)
def test_nobody_may_do_nothing(right: Right) -> None:
    """ST-05: the absence of a credential never raises privilege."""
    assert not ANONYMOUS.may(right, "a")
    assert not ANONYMOUS.may(right, None)


def test_a_caller_may_do_what_was_granted() -> None:
    caller = Caller(kind=CallerKind.BEARER, name="x", grants=Grants.of([Right.READ], ["a"]))

    assert caller.may(Right.READ, "a")
    assert not caller.may(Right.WRITE, "a")


@pytest.mark.parametrize("name", ["a", "ü@example.com", "x" * 256, "CN=a b,O=c"])
def test_a_printable_name_passes(name: str) -> None:
    check_caller_name(name)


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "a\tb", "a\x1b[0m", "\u202etxt", "\ud800"])
def test_a_name_that_would_upset_a_record_is_refused(name: str) -> None:
    """PA-05: no control characters in what is logged."""
    with pytest.raises(ValueError, match="printable"):
        check_caller_name(name)
