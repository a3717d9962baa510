from __future__ import annotations

from typing import Final

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from assay.endorsements.intel import verify_raw_signature
from assay.simulator.pki import generate_key, raw_signature
from tests.mutations import spliced

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


KEY: Final = generate_key()
MESSAGE: Final = b"message"
SIGNATURE: Final = raw_signature(KEY, MESSAGE)
R, S = SIGNATURE[:32], SIGNATURE[32:]


def holds(signature: bytes, message: bytes = MESSAGE) -> bool:
    return verify_raw_signature(KEY.public_key(), signature, message)


def test_a_raw_signature_is_r_and_s() -> None:
    assert holds(SIGNATURE)
    assert not holds(SIGNATURE, b"another")
    assert not verify_raw_signature(generate_key().public_key(), SIGNATURE, MESSAGE)


def test_a_signature_with_a_high_s_is_a_signature() -> None:
    high = P256_ORDER - int.from_bytes(S, "big")

    assert holds(R + high.to_bytes(32, "big"))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        SIGNATURE[:-1],
        SIGNATURE + b"\0",
        b"\0" + SIGNATURE,
        R + b"\0" + S,
        bytes(64),
        R + bytes(32),
        bytes(32) + S,
        R + P256_ORDER.to_bytes(32, "big"),
        b"\xff" * 64,
        S + R,
        R[::-1] + S[::-1],
        KEY.sign(MESSAGE, ec.ECDSA(hashes.SHA256())),
        raw_signature(KEY, MESSAGE, hashes.SHA384),
    ],
    ids=[
        "empty",
        "short",
        "long",
        "shifted",
        "a zero before s",
        "zeros",
        "s of 0",
        "r of 0",
        "s of the order",
        "ones",
        "swapped",
        "little-endian",
        "DER",
        "SHA-384",
    ],
)
def test_another_form_of_a_signature_is_none(signature: bytes) -> None:
    """BI-14, and the signature of zeros that some verifiers took."""
    assert not holds(signature)


@pytest.mark.property
@given(st.binary(max_size=80) | spliced(SIGNATURE))
def test_any_other_bytes_are_no_signature(signature: bytes) -> None:
    assert holds(signature) == (signature == SIGNATURE)
