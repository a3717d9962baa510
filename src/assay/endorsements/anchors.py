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
        anchor for document in documents for anchor in _read_document(document, simulated=simulated)
    )


def _read_document(document: bytes, *, simulated: bool) -> list[TrustAnchor]:
    try:
        certificates = (
            x509.load_pem_x509_certificates(document)
            if b"-----BEGIN" in document
            else [x509.load_der_x509_certificate(document)]
        )
        return [
            TrustAnchor.from_certificate(certificate, simulated=simulated)
            for certificate in certificates
        ]
    except PARSE_ERRORS as error:
        raise SettingsError(
            "trusted roots: expected certificates in PEM or DER, got something else"
        ) from error
