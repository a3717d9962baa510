"""The nonce of a request: text that goes into the token as it is."""

from __future__ import annotations

from typing import Final

from assay.encoding import check_unicode
from assay.errors import RequestError

_MAX_CHARACTERS: Final = 1024


def check_nonce(text: str, field: str) -> None:
    """Check that a token can have `text` as its nonce.

    Raises:
        RequestError: It is too long.
        EncodingError: It is not Unicode.
    """
    if len(text) > _MAX_CHARACTERS:
        raise RequestError(
            f"{field}: expected at most {_MAX_CHARACTERS} characters, got {len(text)}"
        )
    check_unicode(text, field)
