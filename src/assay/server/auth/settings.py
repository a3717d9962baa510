"""What an operator can set about authentication: the table `[auth]`.

Nothing here has a default that gives a right: rights and instances are written out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from assay.access import Right
from assay.keys import SigningAlgorithm

# Both go into quoted strings of headers and into records without escaping.
Text: TypeAlias = Annotated[str, Meta(pattern=r"^[ !#-\[\]-~]+\Z", max_length=1024)]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[ !#-\[\]-~]+\Z", max_length=256)]
Rights: TypeAlias = Annotated[tuple[Right, ...], Meta(min_length=1)]
Instances: TypeAlias = Annotated[
    tuple[Annotated[str, Meta(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9-]{0,62})\Z")], ...],
    Meta(min_length=1),
]
"""Names of instances; `*` is every instance and the server itself."""


class ClaimGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rights for whoever's token has a value in a claim."""

    claim: str | Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)]
    """Its name; for a claim inside an object, the names on the way to it."""

    value: Annotated[str, Meta(min_length=1)]
    """What the claim is, or has among its elements, exactly."""

    rights: Rights
    instances: Instances


class IssuerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OIDC issuer whose tokens are accepted."""

    issuer: Text
    """As it stands in `iss`, character for character."""

    audiences: Annotated[tuple[Text, ...], Meta(min_length=1)]
    """Names of this service at the issuer; a token's `aud` must be one of them."""

    grants: tuple[ClaimGrant, ...] = ()
    """A token has the rights of every one that fits it."""

    name_claim: str = "sub"
    """What callers are called in the audit record."""

    algorithms: Annotated[frozenset[SigningAlgorithm], Meta(min_length=1)] = frozenset(
        SigningAlgorithm
    )
    max_lifetime_hours: Annotated[float, Meta(gt=0, le=24 * 366)] = 48
    """From `iat` to `exp`; a token that lives longer is refused."""

    discovery_url: Text | None = None
    """The issuer's metadata; `/.well-known/openid-configuration` under it if not set."""

    ca_file: Path | None = None
    """PEM file of the roots to trust when fetching, in place of the machine's."""

    authorization_uri: Text | None = None
    """Where callers without rights are told to get a token; the issuer if not set."""


class CertificateGrant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rights for whoever holds a client certificate: one, or all of a subject."""

    name: Name
    """What the caller is called in the audit record."""

    rights: Rights
    instances: Instances
    fingerprint: str | None = None
    """SHA-256 of the certificate in hexadecimal, with or without colons."""

    subject: str | None = None
    """The whole subject as RFC 4514 writes it, most specific part first."""

    authority: Path | None = None
    """With `subject`: PEM file of the CA certificate that issues these certificates itself."""


class ClientCertificateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Client certificates (mutual TLS). Needs TLS at this server."""

    ca_file: Path | None = None
    """PEM file of the CAs that client certificates must chain to."""

    grants: tuple[CertificateGrant, ...] = ()


class AuthSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may administer this server."""

    administration: bool = True
    """Whether anybody may. Without it the server starts without authentication anywhere, and
    refuses every administrative request."""

    clock_skew_seconds: Annotated[float, Meta(ge=0, le=300)] = 60
    """How far an issuer's clock may be from this one."""

    issuers: tuple[IssuerSettings, ...] = ()
    client_certificates: ClientCertificateSettings = ClientCertificateSettings()

    @property
    def configured(self) -> bool:
        """Whether somebody could authenticate, API tokens aside."""
        return bool(self.issuers or self.client_certificates.grants)
