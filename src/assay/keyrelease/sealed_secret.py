"""Secrets at rest: sealed to the name, the version and the policy that they are released under.

A sealed secret that is put in another's place, or whose policy was changed since, does not open.

The context of the sealing is `assay key release secret`, a NUL byte, and the three texts, each
behind its length in four bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from assay.errors import SettingsError
from assay.keyrelease.context import refused
from assay.keyrelease.envelope import MAX_SECRET_BYTES
from assay.keys import KeyEncryptionKey

_DOMAIN: Final = b"assay key release secret\0"
_OVERHEAD: Final = 64


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """Where a secret rests, and what it is bound to."""

    name: str
    version: int
    policy_digest: str
    """SHA-256 of what the secret is released under, lower-case hex."""

    path: Path

    def seal(self, secret: bytes, key: KeyEncryptionKey) -> bytes:
        """The sealed bytes of a secret.

        Raises:
            ReleaseRefusedError: It is empty or too long.
        """
        if not 0 < len(secret) <= MAX_SECRET_BYTES:
            raise refused(
                "keyrelease.secret.size", f"1 to {MAX_SECRET_BYTES} bytes", f"{len(secret)}"
            )
        return key.seal(secret, context=self._context)

    def open(self, key: KeyEncryptionKey) -> bytes:
        """The secret, read anew with every call.

        Raises:
            ReleaseRefusedError: What rests there was not sealed for this name, version and policy.
            SettingsError: The file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                sealed = file.read(MAX_SECRET_BYTES + _OVERHEAD)
        except OSError as error:
            raise SettingsError(
                f"secret {self.name}: cannot read {self.path}: {error.strerror}"
            ) from error
        try:
            return key.open(sealed, context=self._context, what=self.name)
        except SettingsError as error:
            raise refused(
                "keyrelease.secret.sealed_context",
                f"a secret sealed as {self.name!r}, version {self.version}, under its policy",
                "one that was sealed otherwise, or changed",
            ) from error

    @property
    def _context(self) -> bytes:
        texts = (self.name, str(self.version), self.policy_digest)
        return _DOMAIN + b"".join(
            len(text).to_bytes(4, "big") + text.encode("ascii") for text in texts
        )
