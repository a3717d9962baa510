"""What is asked of a device that makes keys, keeps them, and signs with them."""

from __future__ import annotations

from typing import Protocol

from assay.keys.model import PrivateKey, PublicKey, SigningAlgorithm


class KeyDevice(Protocol):
    """A device with keys that never leave it."""

    def connect(self) -> None:
        """Make sure that it can be used.

        Raises:
            SettingsError: It is not there, or does not let the service in.
        """
        ...

    def generate(self, algorithm: SigningAlgorithm, *, identifier: bytes, label: str) -> PublicKey:
        """Make a key in the device.

        Raises:
            SettingsError: The device cannot be used, or refuses to make such a key.
        """
        ...

    def destroy(self, identifier: bytes) -> None:
        """Destroy the key of that identifier, if it is there.

        Raises:
            SettingsError: The device cannot be used.
        """
        ...

    def private_key(self, public_key: PublicKey, *, identifier: bytes) -> PrivateKey:
        """The key of that identifier, to sign with."""
        ...
