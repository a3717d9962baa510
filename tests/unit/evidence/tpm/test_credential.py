from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from assay.errors import UntrustedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm, SignatureScheme
from assay.evidence.tpm.credential import (
    check_attestation_key,
    check_endorsement_key,
    make_credential,
)
from assay.evidence.tpm.public import Attribute, TpmPublic, parse_public
from assay.simulator.tpm.endorsement import EK_ATTRIBUTES, SimulatedEndorsement
from assay.simulator.tpm.structures import public_area
from tests.tpm import simulated_endorsement, simulated_tpm

_EK = parse_public(simulated_endorsement().public)
_AIK = parse_public(simulated_tpm().aik_public)


def test_only_the_tpm_of_both_keys_opens_a_credential() -> None:
    endorsement = simulated_endorsement()
    secret = bytes(range(32))

    made = make_credential(_EK, _AIK.name, secret, random=secrets.token_bytes)

    assert endorsement.activate(_AIK.name, blob=made.blob, secret=made.secret) == secret
    assert endorsement.activate(_EK.name, blob=made.blob, secret=made.secret) is None


def test_credentials_are_made_as_in_the_vectors(vectors: Path) -> None:
    folder = vectors / "tpm" / "swtpm"

    def read(name: str) -> bytes:
        return (folder / f"s8-makecredential.{name}").read_bytes()

    key = load_pem_private_key(read("sw-ek.pem"), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    seed = key.decrypt(
        read("sw.enc"), padding.OAEP(padding.MGF1(SHA256()), SHA256(), b"IDENTITY\0")
    )
    ek = parse_public(
        public_area(key.public_key(), attributes=EK_ATTRIBUTES, auth_policy=bytes(32), storage=True)
    )
    aik = parse_public(read("akpub.tpmt"))

    made = make_credential(ek, aik.name, read("secret"), random=lambda _size: seed)

    check_endorsement_key(parse_public(read("ekpub.tpmt")))
    check_attestation_key(aik)
    assert made.blob == read("sw.blob")


def test_a_seed_for_a_key_on_a_curve_is_agreed_upon() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ek = parse_public(
        public_area(key.public_key(), attributes=EK_ATTRIBUTES, auth_policy=bytes(32), storage=True)
    )
    own = ec.generate_private_key(ec.SECP256R1())
    first, again, other = (
        make_credential(ek, _AIK.name, b"secret", random=bytes, ephemeral=one)
        for one in (own, own, None)
    )

    assert first == again
    assert first.blob != other.blob
    assert len(first.secret) == 2 * (2 + 32)


def test_keys_of_the_usual_templates_pass() -> None:
    check_endorsement_key(_EK)
    check_attestation_key(_AIK)


@pytest.mark.parametrize(
    "key",
    [
        replace(_EK, attributes=_EK.attributes & ~Attribute.RESTRICTED),
        replace(_EK, attributes=_EK.attributes | Attribute.SIGN),
        replace(_EK, auth_policy=b""),
        replace(_EK, symmetric=None),
        replace(_EK, symmetric=(6, 64, 0x43)),
        replace(_EK, scheme=(0x15, None)),
        replace(_EK, name_algorithm=HashAlgorithm.SHA1),
    ],
)
def test_other_endorsement_keys_do_not(key: TpmPublic) -> None:
    with pytest.raises(UntrustedEvidenceError) as refused:
        check_endorsement_key(key)

    assert [finding.check for finding in refused.value.findings] == ["tpm.ek.attributes"]


@pytest.mark.parametrize(
    "key",
    [
        replace(_AIK, attributes=_AIK.attributes & ~Attribute.RESTRICTED),
        replace(_AIK, attributes=_AIK.attributes & ~Attribute.FIXED_TPM),
        replace(_AIK, attributes=_AIK.attributes | Attribute.DECRYPT),
        replace(_AIK, scheme=None),
        replace(_AIK, scheme=(0x17, HashAlgorithm.SHA256)),
        replace(_AIK, scheme=(SignatureScheme.RSASSA, HashAlgorithm.SHA1)),
        replace(_AIK, name_algorithm=HashAlgorithm.SHA1),
    ],
)
def test_other_attestation_keys_do_not(key: TpmPublic) -> None:
    with pytest.raises(UntrustedEvidenceError) as refused:
        check_attestation_key(key)

    assert [finding.check for finding in refused.value.findings] == ["tpm.aik.attributes"]


def test_a_simulated_endorsement_is_certified() -> None:
    assert SimulatedEndorsement.create(simulated_tpm()).certificate
