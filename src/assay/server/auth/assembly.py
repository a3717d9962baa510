"""From settings to an authorizer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import httpx2

from assay.relying_party.issuer_keys import IssuerKeys
from assay.server.auth.api_tokens import ApiTokenAuthenticator, ApiTokenStore
from assay.server.auth.authorizer import Authenticators, Authorizer
from assay.server.auth.bearer import BearerAuthenticator, TrustedIssuer
from assay.server.auth.challenge import bearer_challenge
from assay.server.auth.client_certificates import CertificateAuthenticator
from assay.server.auth.issuer_documents import IssuerDocuments
from assay.server.auth.settings import AuthSettings, IssuerSettings


def open_authorizer(
    auth: AuthSettings,
    *,
    api_tokens: ApiTokenStore | None,
    dev: bool,
    now: Callable[[], datetime],
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Authorizer:
    """The authorizer of settings that `check_auth_settings` has seen.

    Args:
        auth: The table.
        api_tokens: Where API tokens are kept.
        dev: Whether the server runs in development mode. Without authentication in the settings
            everybody on this machine may do everything then.
        now: The time.
        transport: What carries requests to issuers in place of the network.

    Raises:
        SettingsError: A setting names a file or a subject that is not fit.
    """
    certificates = auth.client_certificates
    issuers = {
        issuer.issuer: TrustedIssuer(
            settings=issuer, keys=IssuerKeys(_documents(issuer, transport), now=now)
        )
        for issuer in auth.issuers
    }
    return Authorizer(
        Authenticators(
            bearer=BearerAuthenticator(
                issuers, clock_skew=timedelta(seconds=auth.clock_skew_seconds)
            )
            if issuers
            else None,
            api_tokens=None if api_tokens is None else ApiTokenAuthenticator(api_tokens),
            certificates=CertificateAuthenticator(certificates.grants)
            if certificates.ca_file is not None
            else None,
        ),
        challenge=bearer_challenge(auth),
        now=now,
        administration=auth.administration,
        developer=dev and not auth.configured,
    )


def _documents(
    issuer: IssuerSettings, transport: httpx2.AsyncBaseTransport | None
) -> IssuerDocuments:
    return IssuerDocuments(
        issuer.issuer,
        discovery_url=issuer.discovery_url,
        ca_file=issuer.ca_file,
        transport=transport,
    )
