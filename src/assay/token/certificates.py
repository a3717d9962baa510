"""The signing certificate: how the key set carries a key to clients that read `x5c` only.

Nobody trusts it as a certificate. It is self-signed, and names the instance for people to see.

Source: recorded signing certificates of Microsoft Azure Attestation: names, serial number,
validity, and the extensions with their order.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from assay.keys import SigningKey

_SERIAL_NUMBER: Final = 1
_NOT_BEFORE: Final = datetime(2019, 5, 1, tzinfo=UTC)
_NOT_AFTER: Final = datetime(2050, 12, 31, 23, 59, 59, tzinfo=UTC)


def signing_certificate(
    key: SigningKey, *, issuer: str, extensions: Iterable[tuple[str, bytes]] = ()
) -> bytes:
    """A self-signed certificate of `key` in DER, valid from 2019 to the end of 2050.

    Args:
        key: What the certificate is of, and what signs it.
        issuer: The instance's URL without a trailing slash, the common name of both subject and
            issuer.
        extensions: More extensions, not critical, as dotted object identifier and raw value:
            where the service's own evidence goes.
    """
    name = named(issuer)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key)
        .serial_number(_SERIAL_NUMBER)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key), critical=False
        )
    )
    for identifier, value in extensions:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), value)
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(key.private_key, hashes.SHA256())
    return certificate.public_bytes(Encoding.DER)


def named(text: str) -> x509.Name:
    """A name of one common name, of any length.

    X.520 stops at 64 characters, which URLs pass. The original service ignores that limit too,
    and clients match the whole URL, so it is neither cut nor moved elsewhere.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Attribute's length must be", category=UserWarning
        )
        attribute = x509.NameAttribute(NameOID.COMMON_NAME, text, _validate=False)
    return x509.Name([attribute])
