"""Texts from callers, which requests carry in UTF-8."""

from __future__ import annotations

from assay.encoding import EncodingError, check_unicode
from assay.errors import RequestError


def unicode_text(text: str, what: str) -> str:
    """The text itself, which UTF-8 can carry.

    Raises:
        RequestError: It has half of a surrogate pair, as the command line's bytes that are not
            UTF-8 become.
    """
    try:
        check_unicode(text, what)
    except EncodingError as error:
        raise RequestError(error.message) from error
    return text
