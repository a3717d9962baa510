"""A token as a file holds it."""

from __future__ import annotations

from pathlib import Path

from assay.cli.input_file import read_text
from assay.encoding import EncodingError, parse_json_object
from assay.errors import RequestError


def read_token_file(file: Path) -> str:
    """The token in a file: alone, or as the member `token` of a JSON answer.

    Raises:
        RequestError: The file cannot be read, or is JSON without a token.
    """
    text = read_text(file).strip()
    if not text.startswith("{"):
        return text
    try:
        token = parse_json_object(text.encode(), str(file)).get("token")
    except EncodingError as error:
        raise RequestError(error.message) from error
    if not isinstance(token, str):
        raise RequestError(f"{file}: expected a token or JSON with a token, got JSON without one")
    return token
