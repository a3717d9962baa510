"""How a verifier of either kind refuses a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from assay.errors import TokenError
from assay.relying_party import VerifiedToken

Verify = Callable[..., VerifiedToken]


def refusal_of(verify: Verify, text: str, **options: Any) -> list[str]:  # noqa: ANN401  of the verifier
    with pytest.raises(TokenError) as caught:
        verify(text, **options)
    return [one.check for one in caught.value.findings]
