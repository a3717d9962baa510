"""The PCK certificate chain inside a quote: which platform signed, and under which root.

Source: Intel SGX PCK Certificate and CRL Profile Specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

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

_KEPT_PLATFORMS: Final = 1024
"""Answers of `read_platform`, about 4 kB each: the same chain comes with every quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PckChain:
    """A PCK chain that ends in a pinned root. Times and revocation are not checked yet."""

    chain: CertificateChain
    extensions: SgxExtensions
    ca_spki: bytes
    """SubjectPublicKeyInfo of the PCK CA, DER."""


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
        ca_spki=subject_public_key(chain.certificates[1]),
    )


def read_platform(signature: QuoteSignature, *, tee: Tee) -> DcapPlatform:
    """The platform that a quote claims to come from, to choose collateral by; unverified.

    Raises:
        MalformedEvidenceError: The quote brings no PCK certificate chain.
        UntrustedEvidenceError: The chain or its leaf's SGX extensions do not parse.
    """
    check_certification_type(signature)
    return _platform(signature.certification_data.rstrip(b"\0"), tee)


@lru_cache(maxsize=_KEPT_PLATFORMS)
def _platform(pem: bytes, tee: Tee) -> DcapPlatform:
    leaf = read_pem_chain(pem, PCK_CHAIN)[0]
    extensions = read_sgx_extensions(leaf, check=PCK_CHAIN.check)
    is_platform = common_name(leaf.issuer) == "Intel SGX PCK Platform CA"
    return DcapPlatform(
        tee=tee,
        fmspc=extensions.fmspc,
        pceid=extensions.pceid,
        ca=PckCa.PLATFORM if is_platform else PckCa.PROCESSOR,
    )
