"""The bare cryptography that no attestation can do without, through the same library."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SIGNED_SIZE = 432
_QE_REPORT_SIZE = 384
_TOKEN_SIZE = 3000
_ENCLAVES = 256
_STRETCHES = 5
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
    for _ in range(_STRETCHES):
        count, stop = 0, time.perf_counter() + seconds / _STRETCHES
        start = time.perf_counter()
        while (now := time.perf_counter()) < stop:
            operation()
            count += 1
        best = max(best, count / (now - start))
    return Rate(best)


@dataclass(frozen=True, slots=True)
class Floor:
    """The rates of bare cryptography."""

    two_verifications: Rate
    """What one quote takes: the QE report's signature and the quote's."""

    attestation_rs256: Rate
    """What one attestation takes: a quote, whose key has to be loaded, and the token's signature.

    One call after the other, as they are made, each time with another quote: apart and repeated
    they would find everything in the processor's caches.
    """

    attestation_es256: Rate

    def attestation(self, algorithm: str) -> Rate:
        """The floor of attestations whose tokens are signed with `algorithm`."""
        return self.attestation_rs256 if algorithm == "RS256" else self.attestation_es256


def measure_floor() -> Floor:
    """Measure the bare operations once."""
    ecdsa = ec.ECDSA(hashes.SHA256())
    pck_key = ec.generate_private_key(ec.SECP256R1())
    pck_public_key = pck_key.public_key()
    message = bytes(_SIGNED_SIZE)
    signature = pck_key.sign(message, ecdsa)

    def two_verifications() -> None:
        pck_public_key.verify(signature, message, ecdsa)
        pck_public_key.verify(signature, message, ecdsa)

    quotes = itertools.cycle([_SignedQuote.make(pck_key) for _ in range(_ENCLAVES)])

    def attestation(sign: Callable[[bytes], bytes]) -> Callable[[], None]:
        token = bytes(_TOKEN_SIZE)

        def attest() -> None:
            next(quotes).verify(pck_public_key)
            sign(token)

        return attest

    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return Floor(
        two_verifications=measure(two_verifications),
        attestation_rs256=measure(
            attestation(lambda data: rsa_key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
        ),
        attestation_es256=measure(attestation(lambda data: pck_key.sign(data, ecdsa))),
    )


@dataclass(frozen=True, slots=True)
class _SignedQuote:
    """The signatures of one quote, with what they are over."""

    qe_report: bytes
    qe_report_signature: bytes
    attestation_key: bytes
    signed: bytes
    signature: bytes

    @classmethod
    def make(cls, pck_key: ec.EllipticCurvePrivateKey) -> _SignedQuote:
        ecdsa = ec.ECDSA(hashes.SHA256())
        key = ec.generate_private_key(ec.SECP256R1())
        qe_report, signed = os.urandom(_QE_REPORT_SIZE), os.urandom(_SIGNED_SIZE)
        return cls(
            qe_report=qe_report,
            qe_report_signature=pck_key.sign(qe_report, ecdsa),
            attestation_key=key.public_key().public_bytes(
                Encoding.X962, PublicFormat.UncompressedPoint
            ),
            signed=signed,
            signature=key.sign(signed, ecdsa),
        )

    def verify(self, pck_key: ec.EllipticCurvePublicKey) -> None:
        ecdsa = ec.ECDSA(hashes.SHA256())
        pck_key.verify(self.qe_report_signature, self.qe_report, ecdsa)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.attestation_key)
        key.verify(self.signature, self.signed, ecdsa)


def mean(before: Floor, after: Floor) -> Floor:
    """The floor of a run that was measured before it and after it."""

    def middle(first: Rate, second: Rate) -> Rate:
        return Rate((first.per_second + second.per_second) / 2)

    return Floor(
        two_verifications=middle(before.two_verifications, after.two_verifications),
        attestation_rs256=middle(before.attestation_rs256, after.attestation_rs256),
        attestation_es256=middle(before.attestation_es256, after.attestation_es256),
    )


def spread(before: Floor, after: Floor) -> float:
    """How far the two floors are apart, as a share of the higher one."""
    pairs = (
        (before.two_verifications, after.two_verifications),
        (before.attestation_rs256, after.attestation_rs256),
        (before.attestation_es256, after.attestation_es256),
    )
    return max(
        abs(first.per_second - second.per_second) / max(first.per_second, second.per_second)
        for first, second in pairs
    )


def is_noisy(before: Floor, after: Floor) -> bool:
    """Whether the ratios of this run should not be believed."""
    return spread(before, after) > _NOISE
