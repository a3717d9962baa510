"""The pinned roots of the hardware makers, and the ones that an operator adds.

| file | subject | SHA-256 of the certificate | source |
|---|---|---|---|
| `intel_sgx_root_ca.pem` | Intel SGX Root CA | 44a0196b…74d3 | Intel PCS; in every quote |

Intel has issued several certificates for this root's name and key; the anchor is the name and the
key, so chains that carry any of them verify.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from cryptography import x509

from assay.errors import SettingsError
from assay.x509 import TrustAnchor
from assay.x509.chain import PARSE_ERRORS

Anchors = tuple[TrustAnchor, ...]
"""The roots that one verification trusts. Empty trusts nothing."""


@cache
def intel_sgx_anchors() -> Anchors:
    """Intel's SGX root, which signs for SGX and TDX platforms and their collateral."""
    pem = files("assay.endorsements").joinpath("roots/intel_sgx_root_ca.pem").read_bytes()
    return read_anchors([pem])


def read_anchors(documents: Iterable[bytes], *, simulated: bool = False) -> Anchors:
    """Anchors from root certificates in PEM (one or several) or DER.

    Raises:
        SettingsError: A document holds no certificate, or one without an elliptic-curve key.
    """
    return tuple(
        TrustAnchor.from_certificate(certificate, simulated=simulated)
        for document in documents
        for certificate in _read_certificates(document)
    )


def _read_certificates(document: bytes) -> list[x509.Certificate]:
    try:
        if b"-----BEGIN" in document:
            return x509.load_pem_x509_certificates(document)
        return [x509.load_der_x509_certificate(document)]
    except PARSE_ERRORS as error:
        raise SettingsError(
            "trusted roots: expected certificates in PEM or DER, got something else"
        ) from error
