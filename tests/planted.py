"""A secret that is planted somewhere, and every form in which it could be found again."""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

SECRET: Final = "Zq7vPlantedSecret9xKwT4bM2nR8"  # noqa: S105  it is meant to be found
"""As long as a password is, and in no text of this project."""


def forms(secret: bytes) -> dict[str, bytes]:
    """The secret as it is and in each encoding, as far as that does not depend on what is around.

    Base64 has three forms, by where the secret begins; characters that depend on its neighbours
    are left out.
    """
    found = {
        "plain": secret,
        "hex": secret.hex().encode(),
        "capital hex": secret.hex().upper().encode(),
        "escaped": repr(secret)[2:-1].encode(),
        "quoted": quote(secret).encode(),
        "backwards": secret[::-1],
    }
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + secret + bytes(-(shift + len(secret)) % 3))
        inner = text[(4 if shift else 0) : len(text) - (4 if (shift + len(secret)) % 3 else 0)]
        found[f"base64, {shift}"] = inner
        found[f"base64url, {shift}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def traces(secret: bytes, *places: bytes) -> list[str]:
    """The forms in which a secret is in one of the places."""
    return [
        form
        for form, text in forms(secret).items()
        for place in places
        # Lines of PEM are broken, and so could this be.
        if text in place or text in place.replace(b"\n", b"").replace(b"\\n", b"")
    ]
