"""A device with keys, for tests that are not about PKCS #11."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from assay.keys import PrivateKey, PublicKey, SigningAlgorithm


class FakeDevice:
    """Keys that are in this process, and behave as if they were not."""

    def __init__(self) -> None:
        self.keys: dict[bytes, PrivateKey] = {}
        self.labels: list[str] = []

    def connect(self) -> None:
        """Be there."""

    def generate(self, algorithm: SigningAlgorithm, *, identifier: bytes, label: str) -> PublicKey:
        made: PrivateKey
        if algorithm is SigningAlgorithm.ES256:
            made = ec.generate_private_key(ec.SECP256R1())
        else:
            made = rsa.generate_private_key(65537, 2048)
        self.keys[identifier] = made
        self.labels.append(label)
        return made.public_key()

    def destroy(self, identifier: bytes) -> None:
        del self.keys[identifier]

    def private_key(self, _public_key: PublicKey, *, identifier: bytes) -> PrivateKey:
        return self.keys[identifier]
