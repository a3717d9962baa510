"""The bare cryptography that no attestation can do without, through the same library."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from threading import Barrier

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_SIGNED_SIZE = 432
_QE_REPORT_SIZE = 384
_AUTH_DATA_SIZE = 32
_QUOTE_SIZE = 4600
_TOKEN_SIZE = 3000
_JTI_BYTES = 32
_RUNTIME_DATA = b"a key that the enclave holds"
_ENCLAVES = 256
_STRETCHES = 5
_NOISE = 0.15
"""Floors that differ by more than this before and after say that the machine was busy."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations per second."""

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
    """The rates of bare cryptography, of one process or of several at once."""

    two_verifications: Rate
    """What one quote takes: the QE report's signature and the quote's."""

    attestation_rs256: Rate
    """What one attestation takes: a quote, whose key has to be loaded, and the token's signature;
    the hashes of the quote, of the data beside it and of the key that the QE certifies; and the
    token's random identifier.

    One call after the other, as they are made, each time with another quote: apart and repeated
    they would find everything in the processor's caches.
    """

    attestation_es256: Rate

    def attestation(self, algorithm: str) -> Rate:
        """The floor of attestations whose tokens are signed with `algorithm`."""
        return self.attestation_rs256 if algorithm == "RS256" else self.attestation_es256


def measure_floor(processes: int = 1) -> Floor:
    """Measure the bare operations once.

    Cores are slower when others work: the floor of several workers is of as many processes.
    """
    if processes == 1:
        return _measure()
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(processes, spawn) as pool:
        all_there = manager.Barrier(processes)
        tasks = [pool.submit(_measure_beside_others, all_there) for _ in range(processes)]
        return _together([task.result() for task in tasks])


def _measure_beside_others(all_there: Barrier) -> Floor:
    all_there.wait()
    return _measure()


def _together(floors: Sequence[Floor]) -> Floor:
    def total(rates: Iterable[Rate]) -> Rate:
        return Rate(sum(rate.per_second for rate in rates))

    return Floor(
        two_verifications=total(floor.two_verifications for floor in floors),
        attestation_rs256=total(floor.attestation_rs256 for floor in floors),
        attestation_es256=total(floor.attestation_es256 for floor in floors),
    )


def _measure() -> Floor:
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
            os.urandom(_JTI_BYTES)
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
    """The signatures of one quote as it has them, r and s, with what they are over."""

    quote: bytes
    qe_report: bytes
    qe_report_signature: bytes
    attestation_key: bytes
    qe_auth_data: bytes
    signed: bytes
    signature: bytes

    @classmethod
    def make(cls, pck_key: ec.EllipticCurvePrivateKey) -> _SignedQuote:
        ecdsa = ec.ECDSA(hashes.SHA256())
        key = ec.generate_private_key(ec.SECP256R1())
        qe_report, signed = os.urandom(_QE_REPORT_SIZE), os.urandom(_SIGNED_SIZE)
        return cls(
            quote=os.urandom(_QUOTE_SIZE),
            qe_report=qe_report,
            qe_report_signature=_raw(pck_key.sign(qe_report, ecdsa)),
            qe_auth_data=os.urandom(_AUTH_DATA_SIZE),
            attestation_key=key.public_key().public_bytes(
                Encoding.X962, PublicFormat.UncompressedPoint
            ),
            signed=signed,
            signature=_raw(key.sign(signed, ecdsa)),
        )

    def verify(self, pck_key: ec.EllipticCurvePublicKey) -> None:
        ecdsa = ec.ECDSA(hashes.SHA256())
        hashlib.sha256(self.quote).digest()
        hashlib.sha256(_RUNTIME_DATA).digest()
        pck_key.verify(_der(self.qe_report_signature), self.qe_report, ecdsa)
        hashlib.sha256(self.attestation_key + self.qe_auth_data).digest()
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.attestation_key)
        key.verify(_der(self.signature), self.signed, ecdsa)


def _raw(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


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
