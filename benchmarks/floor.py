"""The bare cryptography that no attestation can do without, through the same library."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

_SIGNED_SIZE = 432
_TOKEN_SIZE = 3000
_NOISE = 0.15
"""Floors that differ by more than this before and after say that the machine was busy."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations per second on one core."""

    per_second: float

    @property
    def microseconds(self) -> float:
        """Time of one operation."""
        return 1e6 / self.per_second


def measure(operation: Callable[[], object], *, seconds: float = 0.6) -> Rate:
    """How often `operation` runs in a second: the best of five stretches."""
    operation()
    best = 0.0
    for _ in range(5):
        count, stop = 0, time.perf_counter() + seconds / 5
        start = time.perf_counter()
        while (now := time.perf_counter()) < stop:
            operation()
            count += 1
        best = max(best, count / (now - start))
    return Rate(best)


@dataclass(frozen=True, slots=True)
class Floor:
    """The operations that a floor is made of."""

    p256_verify: Rate
    rsa2048_sign: Rate
    p256_sign: Rate

    @property
    def two_verifications(self) -> Rate:
        """What one quote takes: the QE report's signature and the quote's."""
        return Rate(self.p256_verify.per_second / 2)

    def attestation(self, signing: Rate) -> Rate:
        """What one attestation takes: a quote and the token's signature."""
        return Rate(1e6 / (self.two_verifications.microseconds + signing.microseconds))


def measure_floor() -> Floor:
    """Measure the bare operations once."""
    ec_key = ec.generate_private_key(ec.SECP256R1())
    public_key = ec_key.public_key()
    algorithm = ec.ECDSA(hashes.SHA256())
    message = bytes(_SIGNED_SIZE)
    signature = ec_key.sign(message, algorithm)
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = bytes(_TOKEN_SIZE)
    return Floor(
        p256_verify=measure(lambda: public_key.verify(signature, message, algorithm)),
        rsa2048_sign=measure(lambda: rsa_key.sign(token, padding.PKCS1v15(), hashes.SHA256())),
        p256_sign=measure(lambda: ec_key.sign(token, algorithm)),
    )


def mean(before: Floor, after: Floor) -> Floor:
    """The floor of a run that was measured before it and after it."""

    def middle(first: Rate, second: Rate) -> Rate:
        return Rate((first.per_second + second.per_second) / 2)

    return Floor(
        p256_verify=middle(before.p256_verify, after.p256_verify),
        rsa2048_sign=middle(before.rsa2048_sign, after.rsa2048_sign),
        p256_sign=middle(before.p256_sign, after.p256_sign),
    )


def spread(before: Floor, after: Floor) -> float:
    """How far the two floors are apart, as a share of the higher one."""
    pairs = (
        (before.p256_verify, after.p256_verify),
        (before.rsa2048_sign, after.rsa2048_sign),
        (before.p256_sign, after.p256_sign),
    )
    return max(
        abs(first.per_second - second.per_second) / max(first.per_second, second.per_second)
        for first, second in pairs
    )


def is_noisy(before: Floor, after: Floor) -> bool:
    """Whether the ratios of this run should not be believed."""
    return spread(before, after) > _NOISE
