"""Client certificates: from one that TLS has verified to a caller.

A certificate is known by its fingerprint, or by its whole subject under the CA that issued it
directly. Neither a key nor a name alone is enough: other certificates may have them as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from assay.access import Caller, CallerKind, Grants
from assay.errors import Finding, SettingsError, UnauthorizedError
from assay.server.auth.refusal import unauthorized
from assay.server.auth.settings import CertificateGrant
from assay.server.auth.settings_check import normal_fingerprint

_SETTING: Final = "auth.client_certificates.grants"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    name: x509.Name
    authority: x509.Certificate
    caller: Caller


class CertificateAuthenticator:
    """Recognises callers by their certificates. Fingerprints are looked at before subjects."""

    __slots__ = ("_fingerprints", "_subjects")

    def __init__(self, grants: Iterable[CertificateGrant]) -> None:
        """An authenticator for settings that have been checked.

        Raises:
            SettingsError: A subject or a CA file is out of order.
        """
        self._fingerprints: dict[str, Caller] = {}
        self._subjects: list[_Subject] = []
        for grant in grants:
            caller = Caller(
                kind=CallerKind.CERTIFICATE,
                name=grant.name,
                grants=Grants.of(grant.rights, grant.instances),
            )
            if grant.fingerprint is not None:
                self._fingerprints[normal_fingerprint(grant.fingerprint)] = caller
            if grant.subject is not None and grant.authority is not None:
                self._subjects.append(
                    _Subject(
                        name=_subject(grant.name, grant.subject),
                        authority=_authority(grant.name, grant.authority),
                        caller=caller,
                    )
                )

    def authenticate(self, certificate: x509.Certificate, *, at: datetime) -> Caller:
        """Whose certificate it is.

        Args:
            certificate: One whose chain and possession TLS has verified.
            at: The instant that it must be valid at: a connection may outlive it.

        Raises:
            UnauthorizedError: No setting knows it, or it is not valid now.
        """
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise _refused(
                "validity",
                "a certificate that is valid now",
                f"{certificate.not_valid_before_utc} to {certificate.not_valid_after_utc}",
            )
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        caller = self._fingerprints.get(fingerprint) or self._by_subject(certificate)
        if caller is None:
            raise _refused("unknown", "a certificate that the settings know", fingerprint)
        return replace(caller, authority=f"sha256:{fingerprint}")

    def _by_subject(self, certificate: x509.Certificate) -> Caller | None:
        for subject in self._subjects:
            if certificate.subject == subject.name and _issued(certificate, subject.authority):
                return subject.caller
        return None


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _subject(grant: str, text: str) -> x509.Name:
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError as error:
        raise SettingsError(
            f"{_SETTING}: {grant!r}: subject {text!r} is not of RFC 4514's form; print it with "
            "`openssl x509 -noout -subject -nameopt RFC2253 -in FILE`"
        ) from error
    if not name.rdns:
        raise SettingsError(f"{_SETTING}: {grant!r}: subject is empty; write the whole one")
    return name


def _authority(grant: str, path: Path) -> x509.Certificate:
    try:
        (certificate,) = x509.load_pem_x509_certificates(path.read_bytes())
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        is_authority = constraints.value.ca
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise _unfit(grant, path) from error
    if not is_authority:
        raise _unfit(grant, path)
    return certificate


def _unfit(grant: str, path: Path) -> SettingsError:
    return SettingsError(
        f"{_SETTING}: {grant!r}: authority {path} needs to be a PEM file that can be read, with "
        "one CA certificate: the one that issues the client certificates itself"
    )


def _refused(error_class: str, expected: str, actual: str) -> UnauthorizedError:
    return unauthorized(
        "the client certificate is not accepted",
        Finding(check=f"access.certificate.{error_class}", expected=expected, actual=actual),
    )
