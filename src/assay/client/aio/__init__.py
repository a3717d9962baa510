"""The clients for asyncio. All values, options and errors are those of `assay.client`."""

from __future__ import annotations

from assay.client.aio.administration import AttestationAdministrationClient
from assay.client.aio.attestation import AttestationClient
from assay.client.aio.credentials import (
    AsyncTokenCredential,
    ClientSecretCredential,
    StaticTokenCredential,
)
from assay.client.aio.transport import AsyncHttpTransport, AsyncTransport

__all__ = [
    "AsyncHttpTransport",
    "AsyncTokenCredential",
    "AsyncTransport",
    "AttestationAdministrationClient",
    "AttestationClient",
    "ClientSecretCredential",
    "StaticTokenCredential",
]
