"""A sound chain of three certificates, and the profile it is verified by."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay.x509 import CertificateChain, ChainProfile, TrustAnchor, verify_chain
from tests.certificates import CA, LEAF, ROOT, Keys, pem

KEYS = Keys()
LEAF_CERTIFICATE = KEYS.leaf_recipe.sign(KEYS.ca)
CA_CERTIFICATE = KEYS.ca_recipe.sign(KEYS.root)
ROOT_CERTIFICATE = KEYS.root_recipe.sign(KEYS.root)
LEAF_DER = LEAF_CERTIFICATE.public_bytes(Encoding.DER)
CHAIN = (LEAF_CERTIFICATE, CA_CERTIFICATE, ROOT_CERTIFICATE)
PEM = pem(*CHAIN)
ANCHOR = TrustAnchor.from_certificate(ROOT_CERTIFICATE)
PROFILE = ChainProfile(
    check="test.chain",
    label="test chain",
    common_names=(frozenset({LEAF}), frozenset({CA, "Other CA"}), frozenset({ROOT})),
)


def verify(
    *certificates: x509.Certificate,
    anchors: Sequence[TrustAnchor] = (ANCHOR,),
    profile: ChainProfile = PROFILE,
) -> CertificateChain:
    return verify_chain(certificates, profile, anchors=anchors)
