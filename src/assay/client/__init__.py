"""A client of the attestation protocol: for Assay, and whatever else speaks as MAA does."""

from __future__ import annotations

from assay.client.attestation import AttestationClient
from assay.client.attestation_protocol import API_VERSION, AttestRequest
from assay.client.errors import ErrorDetail, ServiceError, TransportError
from assay.client.transport import HttpRequest, HttpResponse, HttpTransport, Transport

__all__ = [
    "API_VERSION",
    "AttestRequest",
    "AttestationClient",
    "ErrorDetail",
    "HttpRequest",
    "HttpResponse",
    "HttpTransport",
    "ServiceError",
    "Transport",
    "TransportError",
]
