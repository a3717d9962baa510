"""The PIN of a token, and where an operator keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from assay.errors import SettingsError
from assay.keys.private_file import read_private_file


@final
@dataclass(frozen=True, slots=True)
class TokenPin:
    """A PIN. It is in no `repr` and in no error."""

    secret: str = field(repr=False)


def load_token_pin(path: Path) -> TokenPin:
    """The PIN in a file of text; white space around it does not count.

    Raises:
        SettingsError: The file cannot be read, is open to group or others, or holds no PIN.
    """
    content = read_private_file(path, "PIN")
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        # The cause is left out: it would show part of the secret.
        text = ""
    if not text:
        raise SettingsError(f"PIN {path}: need text, got none; write the token's user PIN there")
    return TokenPin(text)
