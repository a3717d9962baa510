from __future__ import annotations

import pytest

from assay.appraisal import check_nonce
from assay.encoding import EncodingError
from assay.errors import RequestError


@pytest.mark.parametrize("text", ["", "n", "é" * 1024])
def test_a_nonce_is_any_text_of_bounded_length(text: str) -> None:
    check_nonce(text, "nonce")


def test_a_nonce_that_is_too_long_is_refused() -> None:
    with pytest.raises(RequestError, match="--nonce: expected at most 1024 characters, got 1025"):
        check_nonce("n" * 1025, "--nonce")


def test_a_nonce_that_no_token_can_hold_is_refused() -> None:
    with pytest.raises(EncodingError, match="nonce: expected Unicode text"):
        check_nonce("\udcff", "nonce")
