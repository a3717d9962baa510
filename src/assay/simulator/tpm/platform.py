"""A TPM that is none: an attestation key in software, with certificates of an authority of its own.

It shows what such a key proves without a certificate that an operator trusts: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from assay.encoding import JsonValue, encode_base64url
from assay.evidence.tpm.algorithms import HashAlgorithm, SignatureScheme
from assay.evidence.tpm.attest import PCR_COUNT, ClockInfo
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.pcrs import PcrValues
from assay.evidence.tpm.public import Attribute, parse_public
from assay.evidence.tpm.verify import AIK_PROFILE, SignedStructure
from assay.simulator.tpm.structures import (
    AIK_ATTRIBUTES,
    CERTIFY,
    SIGNING_ATTRIBUTES,
    AttestHead,
    public_area,
    quote_body,
    sign,
)
from assay.x509.path import PathAnchors

_KEY_BITS: Final = 2048
_EXPONENT: Final = 65537
_LIFETIME: Final = timedelta(days=3650)
_ENDORSEMENT: Final = bytes.fromhex("4000000b")
_DYNAMIC: Final = range(17, 23)
FIRST_CLOCK: Final = ClockInfo(
    clock=60_000, reset_count=3, restart_count=0, safe=True, firmware_version=1
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTpm:
    """The keys of one simulated machine."""

    root_key: rsa.RSAPrivateKey
    root: x509.Certificate
    aik: rsa.RSAPrivateKey
    aik_certificate: bytes
    """DER."""

    request_key: rsa.RSAPrivateKey
    created_at: datetime

    @classmethod
    def create(cls, at: datetime) -> Self:
        """A machine with new keys."""
        root_key, aik, request_key = (generate_key() for _ in range(3))
        root = _root_certificate(root_key, at)
        certificate = aik_certificate(
            aik.public_key(), root, root_key, at=at, usage=AIK_PROFILE.usage
        )
        return cls(
            root_key=root_key,
            root=root,
            aik=aik,
            aik_certificate=certificate.public_bytes(Encoding.DER),
            request_key=request_key,
            created_at=at,
        )

    @property
    def anchors(self) -> PathAnchors:
        """What somebody trusts who trusts this simulator."""
        return PathAnchors(roots=(self.root,))

    @property
    def aik_public(self) -> bytes:
        """TPMT_PUBLIC of the attestation key."""
        return public_area(
            self.aik.public_key(),
            attributes=AIK_ATTRIBUTES,
            scheme=(SignatureScheme.RSASSA, HashAlgorithm.SHA256),
        )

    @property
    def qualified_signer(self) -> bytes:
        """The attestation key's qualified name under the endorsement hierarchy."""
        return parse_public(self.aik_public).qualified_name(_ENDORSEMENT)

    def quote(
        self, pcrs: PcrValues, extra_data: bytes, *, clock: ClockInfo = FIRST_CLOCK
    ) -> SignedStructure:
        """A quote over `pcrs`."""
        head = AttestHead(
            qualified_signer=self.qualified_signer, extra_data=extra_data, clock=clock
        )
        return self.signed(head.encode(quote_body(pcrs, HashAlgorithm.SHA256)))

    def certify(self, public: bytes, extra_data: bytes) -> SignedStructure:
        """A certification of a key."""
        name = parse_public(public).name
        head = AttestHead(
            qualified_signer=self.qualified_signer, extra_data=extra_data, kind=CERTIFY
        )
        return self.signed(head.encode(buffer(name) + buffer(name)))

    def signed(self, attest: bytes) -> SignedStructure:
        """Anything, signed as if the TPM had made it."""
        return SignedStructure(attest=attest, signature=sign(self.aik, attest))

    def key_public(self, attributes: Attribute = SIGNING_ATTRIBUTES) -> bytes:
        """TPMT_PUBLIC of the request key, as if it were in the TPM."""
        return public_area(self.request_key.public_key(), attributes=attributes)


def generate_key(bits: int = _KEY_BITS) -> rsa.RSAPrivateKey:
    """A key, of the size that TPMs make unless another is asked for."""
    return rsa.generate_private_key(_EXPONENT, bits)


def untouched_pcrs(bank: HashAlgorithm = HashAlgorithm.SHA256) -> dict[int, bytes]:
    """All registers of a bank as they are before anything is measured."""
    return {
        index: (b"\xff" if index in _DYNAMIC else b"\0") * bank.size for index in range(PCR_COUNT)
    }


def jwk(key: rsa.RSAPublicKey) -> Mapping[str, JsonValue]:
    """A key as JWK."""
    numbers = key.public_numbers()
    return {
        "kty": "RSA",
        "n": encode_base64url(numbers.n.to_bytes(key.key_size // 8, "big")),
        "e": encode_base64url(numbers.e.to_bytes(3, "big")),
    }


def aik_certificate(
    key: rsa.RSAPublicKey,
    issuer: x509.Certificate,
    issuer_key: rsa.RSAPrivateKey,
    *,
    at: datetime,
    usage: x509.ObjectIdentifier,
) -> x509.Certificate:
    """A certificate as authorities for attestation keys issue it: no subject, a name of the TPM."""
    tpm = x509.Name(
        [
            x509.NameAttribute(x509.ObjectIdentifier("2.23.133.2.1"), "id:41535359"),
            x509.NameAttribute(x509.ObjectIdentifier("2.23.133.2.2"), "Assay Simulator"),
            x509.NameAttribute(x509.ObjectIdentifier("2.23.133.2.3"), "id:0001"),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DirectoryName(tpm)]), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _root_certificate(key: rsa.RSAPrivateKey, at: datetime) -> x509.Certificate:
    name = x509.Name(
        [
            x509.NameAttribute(x509.oid.NameOID.ORGANIZATION_NAME, "Assay Simulator"),
            x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "Simulated TPM Root CA"),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _LIFETIME)
        .not_valid_after(at + 2 * _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
