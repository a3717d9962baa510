"""The pinned root of Microsoft's certificates for attestation keys, and those of an operator.

| file | subject | SHA-256 of the certificate | source |
|---|---|---|---|
| `microsoft_tpm_root_2014.pem` | Microsoft TPM Root CA 2014 | 870c7a35…99da | Microsoft |

Makers of TPMs have some hundred roots, of which an operator adds those of the machines at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from cryptography import x509

from assay.errors import SettingsError
from assay.x509.chain import PARSE_ERRORS
from assay.x509.path import PathAnchors


@cache
def microsoft_tpm_roots() -> tuple[x509.Certificate, ...]:
    """The root above the authorities that certify attestation keys for Windows."""
    pem = files("assay.endorsements").joinpath("roots/microsoft_tpm_root_2014.pem").read_bytes()
    return read_certificates([pem])


def tpm_anchors(roots: Iterable[bytes] = (), intermediates: Iterable[bytes] = ()) -> PathAnchors:
    """Microsoft's root and those of an operator, in PEM (one or several each) or DER.

    Raises:
        SettingsError: A document holds no certificate.
    """
    return PathAnchors(
        roots=(*microsoft_tpm_roots(), *read_certificates(roots)),
        intermediates=read_certificates(intermediates),
    )


def read_certificates(documents: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    """The certificates of documents.

    Raises:
        SettingsError: A document holds none, or one that does not parse.
    """
    return tuple(one for document in documents for one in _read_document(document))


def _read_document(document: bytes) -> list[x509.Certificate]:
    try:
        if b"-----BEGIN" in document:
            return x509.load_pem_x509_certificates(document)
        return [x509.load_der_x509_certificate(document)]
    except PARSE_ERRORS as error:
        raise SettingsError(
            "TPM roots: expected certificates in PEM or DER, got something else"
        ) from error
