"""Faults of a quote's structure: kinds that are not supported, sizes, bytes out of place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from assay.simulator.faults.attempt import (
    Attempt,
    Fault,
    attempt,
    flip,
    with_draft,
    with_edit,
    with_fields,
    with_parts,
)
from assay.simulator.pki import raw_signature
from assay.simulator.quote import BodyDescriptor, QuoteDraft, QuoteHeader, QuoteParts
from assay.simulator.sgx import SimulatedPlatform

_FORMAT: Final = "dcap.quote.quote_format"
_UNSUPPORTED: Final = "dcap.quote.unsupported"

_Apply = Callable[[SimulatedPlatform], Attempt]

_MEBIBYTE: Final = 1024 * 1024
_UINT32_MAX: Final = 0xFFFFFFFF
_UINT16_MAX: Final = 0xFFFF


def _wire(edit: Callable[[bytes], bytes]) -> _Apply:
    return lambda platform: attempt(platform, evidence=edit(platform.quote()))


def _header(
    *,
    quote_version: int = 3,
    **changes: Any,  # noqa: ANN401  fields of QuoteHeader
) -> _Apply:
    def edit(_: SimulatedPlatform, draft: QuoteDraft) -> QuoteDraft:
        header: QuoteHeader = replace(draft.header, **changes)
        return replace(draft, header=header)

    return with_draft(edit, version=quote_version)


def _descriptor(body_type: int, body_size: int) -> _Apply:
    descriptor = BodyDescriptor(body_type=body_type, body_size=body_size)
    return with_draft(lambda _, draft: replace(draft, descriptor=descriptor), version=5)


def _reserved_byte(platform: SimulatedPlatform, parts: QuoteParts) -> QuoteParts:
    changed = replace(parts, body=flip(parts.body, 20))
    return replace(changed, quote_signature=raw_signature(platform.attestation_key, changed.signed))


def _grown(field: str, by: int, *, version: int = 3) -> _Apply:
    """Declare a size that is wrong by `by`."""
    lengths: dict[str, Callable[[QuoteParts], int]] = {
        "signature_size": lambda parts: len(parts.signature_data()),
        "qe_auth_size": lambda parts: len(parts.qe_auth),
        "certification_size": lambda parts: len(parts.certification_data),
        # Key and signature stand before the outer certification data, its type and size in it.
        "outer_size": lambda parts: len(parts.signature_data()) - 64 - 64 - 6,
    }

    def edit(parts: QuoteParts) -> QuoteParts:
        changed: dict[str, Any] = {field: lengths[field](parts) + by}
        return replace(parts, **changed)

    return with_edit(edit, version=version)


_UNSUPPORTED_KINDS: Final = (
    *(
        Fault(
            f"version-{version}",
            f"a quote of version {version}, signed as such",
            _UNSUPPORTED,
            _header(version=version),
        )
        for version in (0, 1, 2, 6, _UINT16_MAX)
    ),
    *(
        Fault(
            f"attestation-key-type-{kind}",
            f"attestation key type {kind}, signed as such",
            _UNSUPPORTED,
            _header(attestation_key_type=kind),
        )
        for kind in (0, 1, 3, 4)
    ),
    *(
        Fault(
            f"certification-type-{kind}",
            f"certification data of type {kind}; no signature covers the number",
            _UNSUPPORTED,
            with_fields(certification_type=kind),
        )
        for kind in (0, 1, 2, 3, 4, 6, 7, _UINT16_MAX)
    ),
    Fault(
        "vendor-id",
        "a quoting enclave of another vendor",
        _UNSUPPORTED,
        _header(qe_vendor_id=bytes(range(16))),
    ),
    Fault(
        "tee-type-in-version-3",
        "the reserved bytes set that later versions name the TEE in",
        _UNSUPPORTED,
        _header(tee_type=0x81),
    ),
    Fault(
        "tee-type-unknown",
        "a TEE that does not exist",
        _UNSUPPORTED,
        _header(quote_version=4, tee_type=0x82),
    ),
    Fault(
        "tee-type-tdx",
        "an SGX body in a quote that says TDX",
        _UNSUPPORTED,
        _header(quote_version=4, tee_type=0x81),
    ),
)

_STRUCTURE: Final = (
    Fault("empty", "no bytes at all", _FORMAT, _wire(lambda _: b"")),
    Fault("header-cut", "one byte less than a header", _FORMAT, _wire(lambda data: data[:47])),
    Fault("body-cut", "one byte less than a body", _FORMAT, _wire(lambda data: data[:431])),
    Fault("last-byte-cut", "the last byte missing", _FORMAT, _wire(lambda data: data[:-1])),
    Fault("trailing-byte", "a byte after the quote", _FORMAT, _wire(lambda data: data + b"\1")),
    Fault(
        "trailing-after-padding",
        "zero padding with a byte behind it",
        _FORMAT,
        _wire(lambda data: data + bytes(1000) + b"\1"),
    ),
    Fault("second-quote", "another quote behind it", _FORMAT, _wire(lambda data: data + data)),
    Fault(
        "too-long", "padding beyond any size", _FORMAT, _wire(lambda data: data + bytes(_MEBIBYTE))
    ),
    Fault(
        "stray-bytes",
        "bytes after the certification data, inside the declared size",
        _FORMAT,
        with_fields(stray=bytes(4)),
    ),
    Fault(
        "stray-bytes-nested",
        "the same in a quote of version 4",
        _FORMAT,
        with_fields(version=4, stray=bytes(4)),
    ),
    Fault(
        "reserved-byte-set",
        "a reserved byte of the report body set, signed as such",
        _FORMAT,
        with_parts(_reserved_byte),
    ),
    Fault("signature-size-0", "no signature data declared", _FORMAT, with_fields(signature_size=0)),
    Fault("signature-size-short", "one byte less declared", _FORMAT, _grown("signature_size", -1)),
    Fault("signature-size-long", "one byte more declared", _FORMAT, _grown("signature_size", 1)),
    Fault(
        "signature-size-max",
        "a size that overflows 32 bits when added to",
        _FORMAT,
        with_fields(signature_size=_UINT32_MAX),
    ),
    Fault("qe-auth-size-short", "one byte less declared", _FORMAT, _grown("qe_auth_size", -1)),
    Fault("qe-auth-size-long", "one byte more declared", _FORMAT, _grown("qe_auth_size", 1)),
    Fault("qe-auth-size-max", "more than there is", _FORMAT, with_fields(qe_auth_size=_UINT16_MAX)),
    Fault(
        "chain-size-0", "no certification data declared", _FORMAT, with_fields(certification_size=0)
    ),
    Fault("chain-size-short", "one byte less declared", _FORMAT, _grown("certification_size", -1)),
    Fault("chain-size-long", "one byte more declared", _FORMAT, _grown("certification_size", 1)),
    Fault(
        "chain-size-max",
        "a size that overflows 32 bits when added to",
        _FORMAT,
        with_fields(certification_size=_UINT32_MAX),
    ),
    Fault(
        "outer-type",
        "outer certification data of type 5; no signature covers the number",
        _FORMAT,
        with_fields(version=4, outer_type=5),
    ),
    Fault("outer-size-short", "one less declared", _FORMAT, _grown("outer_size", -1, version=4)),
    Fault("outer-size-long", "one more declared", _FORMAT, _grown("outer_size", 1, version=4)),
    Fault(
        "outer-size-max",
        "a size that overflows 32 bits when added to",
        _FORMAT,
        with_fields(version=4, outer_size=_UINT32_MAX),
    ),
    Fault("body-type-0", "a body of no type", _FORMAT, _descriptor(0, 384)),
    Fault("body-type-td", "an SGX body that says TD 1.0", _FORMAT, _descriptor(2, 584)),
    Fault("body-size-long", "one byte more declared", _FORMAT, _descriptor(1, 385)),
    Fault("body-size-max", "a size beyond any", _FORMAT, _descriptor(1, _UINT32_MAX)),
)

STRUCTURE_FAULTS: Final = (*_UNSUPPORTED_KINDS, *_STRUCTURE)
