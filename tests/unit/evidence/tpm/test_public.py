from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from assay.errors import MalformedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm, SignatureScheme
from assay.evidence.tpm.public import Attribute, parse_public
from assay.simulator.tpm.structures import (
    AIK_ATTRIBUTES,
    SIGNING_ATTRIBUTES,
    public_area,
)
from tests.tpm import simulated_tpm

_POINT = ec.generate_private_key(ec.SECP256R1()).public_key()
_RSA = public_area(simulated_tpm().request_key.public_key(), attributes=SIGNING_ATTRIBUTES)
_ECC = public_area(
    _POINT,
    attributes=AIK_ATTRIBUTES,
    scheme=(SignatureScheme.ECDSA, HashAlgorithm.SHA256),
    auth_policy=bytes(32),
)
_STORAGE = public_area(
    simulated_tpm().request_key.public_key(), attributes=AIK_ATTRIBUTES, storage=True
)


def test_what_was_written_is_read() -> None:
    rsa_key, ecc_key, storage = parse_public(_RSA), parse_public(_ECC), parse_public(_STORAGE)

    assert rsa_key.key == simulated_tpm().request_key.public_key()
    assert (rsa_key.scheme, rsa_key.symmetric) == (None, None)
    assert ecc_key.key == _POINT
    assert ecc_key.scheme == (SignatureScheme.ECDSA, HashAlgorithm.SHA256)
    assert Attribute.RESTRICTED in ecc_key.attributes
    assert storage.symmetric == (6, 128, 0x43)


def test_a_name_is_the_hash_of_the_structure_and_hangs_from_its_parent() -> None:
    public = parse_public(_RSA)
    parent = bytes.fromhex("4000000b")

    assert public.name == b"\0\x0b" + hashlib.sha256(_RSA).digest()
    assert (
        public.qualified_name(parent) == b"\0\x0b" + hashlib.sha256(parent + public.name).digest()
    )


def test_an_encryption_scheme_without_a_hash_is_read() -> None:
    data = _RSA[:12] + b"\0\x15" + _RSA[14:]

    assert parse_public(data).scheme == (0x15, None)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_RSA + b"\0", id="a byte left"),
        pytest.param(_RSA[:-1], id="a byte missing"),
        pytest.param(_RSA + bytes(3000), id="too large"),
        pytest.param(b"\0\x08" + _RSA[2:], id="a keyed hash"),
        pytest.param(_RSA[:4] + b"\x80" + _RSA[5:], id="a reserved attribute"),
        pytest.param(_RSA[:8] + b"\0\x01x" + _RSA[10:], id="a policy of one byte"),
        pytest.param(_RSA[:8] + b"\0\xff" + _RSA[10:], id="a policy that is too long"),
        pytest.param(_STORAGE[:14] + b"\0\x42" + _STORAGE[16:], id="another mode"),
        pytest.param(_RSA[:12] + b"\0\x1a" + _RSA[14:], id="an unknown scheme"),
        pytest.param(_RSA[:14] + b"\x04\0" + _RSA[16:], id="another number of bits"),
        pytest.param(_RSA[:2] + b"\0\x12" + _RSA[4:], id="an unknown hash"),
        pytest.param(_ECC[:48] + b"\0\x10" + _ECC[50:], id="another curve"),
        pytest.param(_ECC[:50] + b"\0\x20" + _ECC[52:], id="a key derivation"),
        pytest.param(_ECC[:-1] + bytes([_ECC[-1] ^ 1]), id="a point off its curve"),
    ],
)
def test_what_is_not_one_key_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        parse_public(data)
