"""The certificate that the service shows, and whether it will do so tomorrow."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from assay.errors import SettingsError
from assay.server.assembly import check_tls
from assay.server.settings import Settings
from assay.service.checkup import CheckSkippedError
from assay.x509 import common_name

_NEAR: Final = timedelta(days=14)
"""Time enough to renew by hand, and past the moment when automatic renewals have happened."""


def check_certificates(settings: Settings, *, at: datetime) -> str:
    """Check that the TLS files belong together, and that every certificate in them is in date.

    Raises:
        SettingsError: They do not, or one is not, or not for long.
        CheckSkippedError: This server does not speak TLS.
    """
    file = settings.tls.certificate
    if file is None:
        raise CheckSkippedError("tls.certificate is not set: something in front speaks TLS")
    check_tls(settings.tls, settings.auth.client_certificates.ca_file)
    chain = _read(file)
    for certificate in chain:
        _check_dates(certificate, file, at=at)
    first = min(certificate.not_valid_after_utc for certificate in chain)
    return f"certificate and key belong together, in date until {first:%Y-%m-%d}"


def _read(file: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except ValueError as error:
        raise SettingsError(
            f"tls.certificate {file}: a certificate in it does not parse; have it issued anew"
        ) from error


def _check_dates(certificate: x509.Certificate, file: Path, *, at: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    named = f"tls.certificate {file}: {common_name(certificate.subject)!r}"
    if at < begin:
        raise SettingsError(
            f"{named} is valid from {begin:%Y-%m-%dT%H:%M:%SZ}; set the clock, or wait"
        )
    if at > end:
        raise SettingsError(
            f"{named} ended at {end:%Y-%m-%dT%H:%M:%SZ}; renew it and start the service again"
        )
    if at > end - _NEAR:
        raise SettingsError(
            f"{named} ends at {end:%Y-%m-%dT%H:%M:%SZ}, in less than {_NEAR.days} days; renew it "
            "and start the service again"
        )
