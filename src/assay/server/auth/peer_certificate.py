"""The certificate of a connection's other side: from TLS into the scope, and out of it.

uvicorn does not offer the scope's TLS extension, so `identified_connection` adds it, in the form
that the specification gives; where another server offers it, that is read as well. Nothing is
ever read from a header.

Source: ASGI specification, "TLS Extension", version 0.2.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal, Protocol

from cryptography import x509
from starlette.types import Scope
from uvicorn.config import Config

from assay.errors import Finding, SettingsError, UnauthorizedError
from assay.server.auth.refusal import unauthorized
from assay.server.connection import LimitedConnection
from assay.server.settings import LimitSettings
from assay.x509.chain import PARSE_ERRORS


class TlsConnection(Protocol):
    """What is asked of an `ssl.SSLObject`."""

    @property
    def context(self) -> ssl.SSLContext:
        """What it was made by."""
        ...

    def getpeercert(self, *, binary_form: Literal[True]) -> bytes | None:
        """The other side's certificate in DER."""
        ...

    def version(self) -> str | None:
        """The protocol's name."""
        ...


_VERIFYING: Final = frozenset({ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED})
_PROTOCOLS: Final[Mapping[str, int]] = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


class IdentifiedConnection(LimitedConnection):
    """A connection whose requests carry its client certificate, if there is one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Keep what TLS has verified."""
        self._tls = tls_extension(transport.get_extra_info("ssl_object"))
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """Add it to the scope of a request."""
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": dict(self._tls)}


def identified_connection(limits: LimitSettings) -> type[IdentifiedConnection]:
    """The class of connections with `limits`, as uvicorn wants to be given it."""
    return type("IdentifiedConnection", (IdentifiedConnection,), {"limits": limits})


def client_certificate_context(
    ca_file: Path,
) -> Callable[[Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """A maker of TLS contexts, as uvicorn wants to be given it, that ask for client certificates.

    A client without one is served; one whose certificate does not chain to a CA of the file, or
    is not for clients, is not let in. Sessions are not resumed by tickets, so that a chain is
    verified for each connection.

    Raises:
        SettingsError: When called: the file cannot be read, or holds no certificate.
    """

    def make(_config: Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = default()
        trust_client_authorities(context, ca_file)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        return context

    return make


def trust_client_authorities(context: ssl.SSLContext, ca_file: Path) -> None:
    """Have client certificates chain to a CA of a file.

    Raises:
        SettingsError: The file cannot be read, or holds no certificate.
    """
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"auth.client_certificates.ca_file: {ca_file}: {error.strerror or error}; name a "
            "PEM file of the CAs that client certificates chain to"
        ) from error


def tls_extension(connection: TlsConnection | None) -> dict[object, object] | None:
    """The scope's TLS extension for a connection; nothing for one without TLS."""
    if connection is None:
        return None
    chain: list[str] = []
    name, fault = None, None
    # Without verification the certificate is there too, and says nothing.
    if connection.context.verify_mode in _VERIFYING:
        der = connection.getpeercert(binary_form=True)
        if der is not None:
            chain = [ssl.DER_cert_to_PEM_cert(der)]
            try:
                name = x509.load_der_x509_certificate(der).subject.rfc4514_string()
            except PARSE_ERRORS:
                # TLS libraries differ in what they let through.
                fault = "it does not parse"
    return {
        "server_cert": None,
        "client_cert_chain": chain,
        "client_cert_name": name,
        "client_cert_error": fault,
        "tls_version": _PROTOCOLS.get(connection.version() or ""),
        "cipher_suite": None,
    }


def peer_certificate(scope: Scope) -> x509.Certificate | None:
    """The verified certificate that the caller holds the key of; nothing if there is none.

    Raises:
        UnauthorizedError: There is one, and it was not verified or does not parse.
    """
    extension = (scope.get("extensions") or {}).get("tls")
    if extension is None:
        return None
    if extension.get("client_cert_error") is not None:
        raise _unverified("one with a fault")
    chain = list(extension.get("client_cert_chain", ()))
    if not chain:
        return None
    try:
        return x509.load_pem_x509_certificate(chain[0].encode("ascii"))
    except PARSE_ERRORS as error:
        raise _unverified("one that does not parse") from error


def _unverified(actual: str) -> UnauthorizedError:
    return unauthorized(
        "the client certificate is not accepted",
        Finding(
            check="access.certificate.unverified",
            expected="a certificate that chains to a configured CA",
            actual=actual,
        ),
    )
