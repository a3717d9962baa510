"""Attestation by a running service."""

from __future__ import annotations

from assay.client.attestation_protocol import (
    AttestRequest,
    attest_request,
    certificates_request,
    read_document,
    read_token,
)
from assay.client.transport import Transport, base_url
from assay.token import KeySet, parse_key_set


class AttestationClient:
    """One instance of a service, by its URL."""

    def __init__(self, url: str, transport: Transport) -> None:
        """Speak to an instance.

        Raises:
            RequestError: `url` is not one of an instance.
        """
        self.url = base_url(url)
        """The instance's address, without a trailing slash."""
        self._transport = transport

    def attest(self, request: AttestRequest) -> str:
        """A token for evidence, as it came: verify it before believing it.

        Raises:
            ServiceError: The service refused, or gave no token.
            TransportError: No answer came.
        """
        return read_token(self._transport.send(attest_request(self.url, request)))

    def key_set_document(self) -> bytes:
        """The JWKS document of the instance, as it came.

        Raises:
            ServiceError: The service refused, or gave no document.
            TransportError: No answer came.
        """
        return read_document(self._transport.send(certificates_request(self.url)))

    def key_set(self) -> KeySet:
        """The keys that the instance signs with, trusted as far as the connection is.

        Raises:
            ServiceError: The service refused, or gave no document.
            TransportError: No answer came.
            TokenError: The document is not a key set.
        """
        return parse_key_set(self.key_set_document())
