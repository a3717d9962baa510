"""What one release is about: which secret, for whom, in answer to which challenge.

The same three texts stand in the enclave's runtime data, which its evidence vouches for, and in
the protected header of the answer, which the encryption authenticates. So neither a token nor an
answer serves for anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from assay.encoding import JsonValue
from assay.errors import Finding, ReleaseRefusedError

_SECRET: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_REQUESTER: Final = re.compile(r"[\x21-\x7e]{1,128}")
_NONCE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MEMBERS: Final = frozenset({"secret", "requester", "nonce"})


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseContext:
    """One release.

    Raises:
        ReleaseRefusedError: A text is not of its form.
    """

    secret: str
    """Its name: lower-case letters, digits, dots, hyphens and underscores."""

    requester: str
    """Who asks, in its own words; printable ASCII without spaces."""

    nonce: str
    """The challenge: 32 random bytes in base64url."""

    def __post_init__(self) -> None:
        check_secret_name(self.secret)
        check_requester(self.requester)
        if _NONCE.fullmatch(self.nonce) is None:
            raise _malformed("a nonce as the broker gave it", self.nonce)

    def members(self) -> dict[str, JsonValue]:
        """As JSON has it."""
        return {"nonce": self.nonce, "requester": self.requester, "secret": self.secret}


def read_context(value: JsonValue) -> ReleaseContext:
    """The context in a JSON value.

    Raises:
        ReleaseRefusedError: It is none.
    """
    if not isinstance(value, dict) or value.keys() != _MEMBERS:
        raise _malformed(f"an object of {', '.join(sorted(_MEMBERS))}", value)
    texts = {name: text for name, text in value.items() if isinstance(text, str)}
    if len(texts) != len(value):
        raise _malformed("nothing but strings in it", value)
    return ReleaseContext(
        secret=texts["secret"], requester=texts["requester"], nonce=texts["nonce"]
    )


def check_secret_name(name: str) -> None:
    """See that a text may name a secret.

    Raises:
        ReleaseRefusedError: It may not.
    """
    if _SECRET.fullmatch(name) is None or ".." in name:
        raise _malformed("a secret's name", name)


def check_requester(name: str) -> None:
    """See that a text may name a requester.

    Raises:
        ReleaseRefusedError: It may not.
    """
    if _REQUESTER.fullmatch(name) is None:
        raise _malformed("a requester's name of 1 to 128 printable characters", name)


def _malformed(expected: str, actual: object) -> ReleaseRefusedError:
    return refused("keyrelease.context.release_format", expected, repr(actual)[:80])


def refused(code: str, expected: str, actual: str) -> ReleaseRefusedError:
    """The error of one finding, for the caller to raise.

    Args:
        code: The finding's.
        expected: What is required.
        actual: What came.
    """
    finding = Finding(check=code, expected=expected, actual=actual)
    return ReleaseRefusedError(f"need {expected}, got {actual}", findings=[finding])
