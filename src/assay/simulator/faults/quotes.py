"""Faults of a quote's two signatures and of the quoting enclave between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from assay.simulator.faults.attempt import (
    Attempt,
    Fault,
    flip,
    with_draft,
    with_edit,
    with_fields,
    with_parts,
)
from assay.simulator.pki import generate_key, raw_point, raw_signature
from assay.simulator.quote import (
    FLAG_DEBUG,
    FLAG_INITIALIZED,
    QuoteDraft,
    QuoteParts,
    binding,
)
from assay.simulator.sgx import SimulatedPlatform

_QUOTE_SIGNATURE: Final = "dcap.quote.quote_signature"
_QE_SIGNATURE: Final = "dcap.qe_report.qe_report_signature"
_QE_DATA: Final = "dcap.qe_report.qe_report_data"
_QE_IDENTITY: Final = "dcap.qe_report.qe_identity"

_Apply = Callable[[SimulatedPlatform], Attempt]

_RESERVED_OFFSET: Final = 20
"""Of the first reserved byte in a report body."""

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _qe(**changes: Any) -> _Apply:  # noqa: ANN401  fields of EnclaveReport
    return with_draft(
        lambda _, draft: replace(draft, qe_report=replace(draft.qe_report, **changes))
    )


def _bound(data: Callable[[bytes, bytes], bytes]) -> _Apply:
    """Let the QE report bind something else; `data` is given the key and the auth data."""

    def edit(_: SimulatedPlatform, draft: QuoteDraft) -> QuoteDraft:
        key = raw_point(draft.attestation_key.public_key())
        report = replace(draft.qe_report, report_data=data(key, draft.qe_auth))
        return replace(draft, qe_report=report)

    return with_draft(edit)


def _signed_over(
    region: Callable[[QuoteParts], bytes],
    *,
    version: int = 3,
    digest: type[hashes.SHA256 | hashes.SHA384] = hashes.SHA256,
) -> _Apply:
    return with_parts(
        lambda platform, parts: replace(
            parts, quote_signature=raw_signature(platform.attestation_key, region(parts), digest)
        ),
        version=version,
    )


def _attestation_point(edit: Callable[[bytes], bytes]) -> _Apply:
    """Another attestation key, properly bound by the QE report."""

    def apply(platform: SimulatedPlatform, parts: QuoteParts) -> QuoteParts:
        draft = platform.draft()
        point = edit(parts.attestation_key)
        report = replace(draft.qe_report, report_data=binding(point, draft.qe_auth)).encode()
        return replace(
            parts,
            attestation_key=point,
            qe_report=report,
            qe_report_signature=raw_signature(platform.pck.key, report),
        )

    return with_parts(apply)


def _qe_reserved_byte(platform: SimulatedPlatform, parts: QuoteParts) -> QuoteParts:
    report = flip(parts.qe_report, _RESERVED_OFFSET)
    return replace(
        parts,
        qe_report=report,
        qe_report_signature=raw_signature(platform.pck.key, report),
    )


def _qe_signed(
    key: Callable[[SimulatedPlatform], Any],
    digest: type[hashes.SHA256 | hashes.SHA384] = hashes.SHA256,
) -> _Apply:
    return with_parts(
        lambda platform, parts: replace(
            parts, qe_report_signature=raw_signature(key(platform), parts.qe_report, digest)
        )
    )


def _forged_key(_: SimulatedPlatform, draft: QuoteDraft) -> QuoteDraft:
    return replace(draft, attestation_key=generate_key())


_SIGNATURES: Final = (
    Fault(
        "body-flipped",
        "a bit of the report data flipped after signing",
        _QUOTE_SIGNATURE,
        with_edit(lambda parts: replace(parts, body=flip(parts.body))),
    ),
    Fault(
        "measurement-flipped",
        "a bit of MRENCLAVE flipped after signing",
        _QUOTE_SIGNATURE,
        with_edit(lambda parts: replace(parts, body=flip(parts.body, 64))),
    ),
    Fault(
        "header-flipped",
        "the PCE SVN of the header changed after signing: informative, but signed",
        _QUOTE_SIGNATURE,
        with_edit(lambda parts: replace(parts, header=flip(parts.header, 10))),
    ),
    Fault(
        "quote-signature-flipped",
        "a bit of the quote's signature flipped",
        _QUOTE_SIGNATURE,
        with_edit(lambda parts: replace(parts, quote_signature=flip(parts.quote_signature))),
    ),
    Fault(
        "quote-signature-zero",
        "r and s zero, which some implementations take for any message",
        _QUOTE_SIGNATURE,
        with_fields(quote_signature=bytes(64)),
    ),
    Fault(
        "quote-signature-order",
        "r is the order of the curve's group, out of range",
        _QUOTE_SIGNATURE,
        with_edit(
            lambda parts: replace(
                parts,
                quote_signature=_P256_ORDER.to_bytes(32, "big") + parts.quote_signature[32:],
            )
        ),
    ),
    Fault(
        "quote-signature-little-endian",
        "both halves of the signature in the other byte order",
        _QUOTE_SIGNATURE,
        with_edit(
            lambda parts: replace(
                parts,
                quote_signature=parts.quote_signature[31::-1] + parts.quote_signature[:31:-1],
            )
        ),
    ),
    Fault(
        "quote-signed-sha384",
        "the right bytes signed with SHA-384",
        _QUOTE_SIGNATURE,
        _signed_over(lambda parts: parts.signed, digest=hashes.SHA384),
    ),
    Fault(
        "quote-signed-body-only",
        "the header left out of the signature",
        _QUOTE_SIGNATURE,
        _signed_over(lambda parts: parts.body),
    ),
    Fault(
        "quote-signed-with-size",
        "the size of the signature data taken into the signature",
        _QUOTE_SIGNATURE,
        _signed_over(
            lambda parts: parts.signed + len(parts.signature_data()).to_bytes(4, "little")
        ),
    ),
    Fault(
        "quote-signed-without-descriptor",
        "the body descriptor of version 5 left out of the signature",
        _QUOTE_SIGNATURE,
        _signed_over(lambda parts: parts.header + parts.body, version=5),
    ),
    Fault(
        "quote-signed-by-pck",
        "the PCK key in the place of the attestation key, as signer only",
        _QUOTE_SIGNATURE,
        with_parts(
            lambda platform, parts: replace(
                parts, quote_signature=raw_signature(platform.pck.key, parts.signed)
            )
        ),
    ),
    Fault(
        "attestation-key-off-curve",
        "an attestation key that is no point of the curve, properly bound",
        _QUOTE_SIGNATURE,
        _attestation_point(flip),
    ),
    Fault(
        "attestation-key-zero",
        "an attestation key of zeros, properly bound",
        _QUOTE_SIGNATURE,
        _attestation_point(lambda point: bytes(len(point))),
    ),
)

_QUOTING_ENCLAVE: Final = (
    Fault(
        "attestation-key-forged",
        "the quote signed by a key that the QE report does not bind",
        _QE_DATA,
        with_draft(_forged_key),
    ),
    Fault(
        "qe-auth-flipped",
        "a bit of the QE's authentication data flipped",
        _QE_DATA,
        with_edit(lambda parts: replace(parts, qe_auth=flip(parts.qe_auth))),
    ),
    Fault(
        "qe-auth-dropped",
        "the QE's authentication data left out after binding",
        _QE_DATA,
        with_fields(qe_auth=b""),
    ),
    Fault(
        "qe-binding-order",
        "authentication data hashed before the key",
        _QE_DATA,
        _bound(lambda key, auth: binding(auth, key)),
    ),
    Fault(
        "qe-binding-key-only",
        "the key hashed without the authentication data",
        _QE_DATA,
        _bound(lambda key, _: binding(key, b"")),
    ),
    Fault(
        "qe-binding-prefixed",
        "the key hashed with the 04 of an uncompressed point",
        _QE_DATA,
        _bound(lambda key, auth: binding(b"\x04" + key, auth)),
    ),
    Fault(
        "qe-binding-second-half",
        "the right hash in the second half of the report data",
        _QE_DATA,
        _bound(lambda key, auth: bytes(32) + binding(key, auth)[:32]),
    ),
    Fault(
        "qe-report-data-tail",
        "the reserved second half of the QE's report data not zero",
        _QE_DATA,
        _bound(lambda key, auth: flip(binding(key, auth))),
    ),
    Fault(
        "qe-report-flipped",
        "a bit of the QE's MRENCLAVE flipped after signing",
        _QE_SIGNATURE,
        with_edit(lambda parts: replace(parts, qe_report=flip(parts.qe_report, 64))),
    ),
    Fault(
        "qe-reserved-byte-set",
        "a reserved byte of the QE report set, signed as such",
        "dcap.quote.quote_format",
        with_parts(_qe_reserved_byte),
    ),
    Fault(
        "qe-signature-flipped",
        "a bit of the QE report's signature flipped",
        _QE_SIGNATURE,
        with_edit(
            lambda parts: replace(parts, qe_report_signature=flip(parts.qe_report_signature))
        ),
    ),
    Fault(
        "qe-signature-zero",
        "r and s of the QE report's signature zero",
        _QE_SIGNATURE,
        with_fields(qe_report_signature=bytes(64)),
    ),
    Fault(
        "qe-signed-sha384",
        "the QE report signed with SHA-384",
        _QE_SIGNATURE,
        _qe_signed(lambda platform: platform.pck.key, hashes.SHA384),
    ),
    Fault(
        "qe-signed-by-stranger",
        "the QE report signed by a key that no certificate vouches for",
        _QE_SIGNATURE,
        _qe_signed(lambda _: generate_key()),
    ),
    Fault(
        "qe-signed-by-pck-ca",
        "the QE report signed by the PCK CA itself",
        _QE_SIGNATURE,
        _qe_signed(lambda platform: platform.pki.pck_ca(platform.settings.ca).key),
    ),
    Fault(
        "qe-other-signer",
        "a quoting enclave of another MRSIGNER, certified by the platform",
        _QE_IDENTITY,
        _qe(mr_signer=bytes(range(32))),
    ),
    Fault(
        "qe-other-product", "another ISVPRODID of the same signer", _QE_IDENTITY, _qe(isv_prod_id=2)
    ),
    Fault(
        "qe-debug",
        "a quoting enclave in debug mode, whose keys its host can read",
        _QE_IDENTITY,
        _qe(flags=FLAG_INITIALIZED | FLAG_DEBUG | 0x10),
    ),
    Fault(
        "qe-not-provisioned",
        "a quoting enclave without access to the provisioning key",
        _QE_IDENTITY,
        _qe(flags=FLAG_INITIALIZED),
    ),
    Fault(
        "qe-unknown-flag",
        "an attribute of the quoting enclave that its identity does not know",
        _QE_IDENTITY,
        _qe(flags=FLAG_INITIALIZED | 0x10 | 1 << 40),
    ),
    Fault("qe-misc-select", "a MISCSELECT bit set in the QE", _QE_IDENTITY, _qe(misc_select=1)),
    Fault(
        "qe-below-all-levels",
        "a quoting enclave older than every level of its identity",
        "dcap.tcb.tcb_not_supported",
        _qe(isv_svn=0),
    ),
)

QUOTE_FAULTS: Final = (*_SIGNATURES, *_QUOTING_ENCLAVE)
