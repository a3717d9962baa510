"""Open Enclave's envelopes: the legacy report, evidence with custom claims, and endorsements.

Source: Open Enclave SDK, `common/sgx/endorsements.h`, `include/openenclave/bits/evidence.h` and
`include/openenclave/attestation/sgx/evidence.h`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from assay.endorsements.collateral import DcapCollateral
from assay.simulator.sgx import SimulatedPlatform
from assay.simulator.tcb import signed_body, timestamp

SGX_ECDSA: Final = UUID("a3a21e87-1b4d-4014-b70a-a125d2fbcd8c")
LEGACY_REPORT_REMOTE: Final = UUID("c8303454-d923-4c2c-a691-df7def460a76")
RAW_SGX_QUOTE_ECDSA: Final = UUID("1923d91e-12d2-4c72-b220-25cd8dace871")
SGX_LOCAL: Final = UUID("09268c33-6e0b-45e5-8a27-15644d0ef89a")
EPID_LINKABLE: Final = UUID("f228aa3f-de4d-49d3-884c-b2aa87a50da6")
EPID_UNLINKABLE: Final = UUID("5c35d290-a2c2-4c55-9e13-5ad732746c88")

HEADER_SIZE: Final = 28
"""Of evidence and endorsements; a legacy report has 16 bytes."""

_REPORT_VERSION: Final = 1
_HEADER_VERSION: Final = 3
_ENDORSEMENTS_VERSION: Final = 1
_ENCLAVE_TYPE_SGX: Final = 2


class ReportType(IntEnum):
    """Who can verify a legacy report: only its own machine, or anybody."""

    LOCAL = 1
    REMOTE = 2


def legacy_report(
    quote: bytes,
    *,
    version: int = _REPORT_VERSION,
    report_type: int = ReportType.REMOTE,
    size: int | None = None,
) -> bytes:
    """A quote behind the 16-byte header of Open Enclave's first report format."""
    return b"".join(
        (
            version.to_bytes(4, "little"),
            report_type.to_bytes(4, "little"),
            (len(quote) if size is None else size).to_bytes(8, "little"),
            quote,
        )
    )


def with_header(
    data: bytes,
    *,
    format_id: UUID = SGX_ECDSA,
    version: int = _HEADER_VERSION,
    size: int | None = None,
) -> bytes:
    """Evidence or endorsements behind the 28-byte header that names their format."""
    return b"".join(
        (
            version.to_bytes(4, "little"),
            format_id.bytes,
            (len(data) if size is None else size).to_bytes(8, "little"),
            data,
        )
    )


def evidence(
    platform: SimulatedPlatform,
    custom_claims: bytes = b"",
    **fields: Any,  # noqa: ANN401  any argument of SimulatedPlatform.quote
) -> bytes:
    """Evidence of format `SGX_ECDSA`: a quote that binds the custom claims which follow it."""
    bound = hashlib.sha256(custom_claims).digest()
    return with_header(platform.quote(report_data=bound, **fields) + custom_claims)


def endorsements(
    collateral: DcapCollateral,
    at: datetime,
    *,
    version: int = _ENDORSEMENTS_VERSION,
    enclave_type: int = _ENCLAVE_TYPE_SGX,
    count: int | None = None,
    offsets: Sequence[int] | None = None,
) -> bytes:
    """Endorsements of an SGX enclave, to stand behind a header of the evidence's format.

    Args:
        collateral: What they hold.
        at: When they were gathered.
        version: Of the structure.
        enclave_type: 2 for SGX.
        count: Declared number of items; the true one if not given.
        offsets: Declared offsets of the items; the true ones if not given.
    """
    items = (
        version.to_bytes(4, "little"),
        _text(signed_body("tcbInfo", collateral.tcb_info, collateral.tcb_info_signature)),
        _text(collateral.tcb_info_issuer_chain),
        collateral.pck_crl,
        collateral.root_ca_crl,
        _text(collateral.pck_crl_issuer_chain),
        _text(
            signed_body("enclaveIdentity", collateral.qe_identity, collateral.qe_identity_signature)
        ),
        _text(collateral.qe_identity_issuer_chain),
        _text(timestamp(at).encode()),
    )
    data = b"".join(items)
    starts = [sum(map(len, items[:index])) for index in range(len(items))]
    numbers = (
        version,
        enclave_type,
        # The offsets count, though the number of items before them does not.
        4 * len(items) + len(data),
        len(items) if count is None else count,
        *(starts if offsets is None else offsets),
    )
    return b"".join(number.to_bytes(4, "little") for number in numbers) + data


def _text(data: bytes) -> bytes:
    return data + b"\0"
