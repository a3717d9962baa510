"""A TPM attester on the standard library: commands, keys, quotes, logs, requests."""

from __future__ import annotations

from assay.attester.tpm.agent import TpmAgent
from assay.attester.tpm.device import TpmDevice
from assay.attester.tpm.exchange import TpmExchange
from assay.attester.tpm.measurements import measurement_logs
from assay.attester.tpm.transport import DeviceTransport, SocketTransport, TpmTransport

__all__ = [
    "DeviceTransport",
    "SocketTransport",
    "TpmAgent",
    "TpmDevice",
    "TpmExchange",
    "TpmTransport",
    "measurement_logs",
]
