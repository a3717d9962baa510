"""Whom a client trusts, and what it shows for itself."""

from __future__ import annotations

import ssl

from assay.client.client_certificate import ClientCertificate
from assay.client.options import ClientOptions
from assay.errors import RequestError


def tls_context(options: ClientOptions, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """The caller's own context, or one that verifies the service, which nothing turns off.

    Raises:
        RequestError: A file is missing or is not what it should be, or there is both a context
            and a certificate.
    """
    if options.ssl_context is not None:
        if certificate is not None:
            raise RequestError(
                "expected a client certificate or an ssl_context, got both; let the context show "
                "the certificate"
            )
        return options.ssl_context
    context = _trusting(options)
    # Where Python is the system's own, the least version may be left to a file of the system.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if certificate is not None:
        try:
            context.load_cert_chain(certificate.certificate, certificate.key, certificate.password)
        except OSError as error:
            raise RequestError(
                f"client certificate {certificate.certificate}: {error.strerror or error}; "
                "name PEM files with the certificate and its key"
            ) from error
    return context


def _trusting(options: ClientOptions) -> ssl.SSLContext:
    import httpx2

    if options.ca_file is None:
        return httpx2.create_ssl_context(trust_env=options.trust_env)
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:
        raise RequestError(
            f"CA file {options.ca_file}: {error.strerror or error}; name a PEM file with the root "
            "certificates to trust"
        ) from error
