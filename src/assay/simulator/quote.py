"""SGX quotes, written field by field: version 3, and versions 4 and 5 with an SGX body.

`QuoteDraft` is what the quoting enclave knows before it signs, `QuoteParts` what then goes on
the wire. Every field of both can be replaced, the sizes too, so that a quote can be wrong in
exactly one place.

Source: Intel SGX ECDSA Quote Library API, appendix A.3 and A.4; Intel TDX DCAP Quoting Library
API, appendix A.3 and A.4.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from assay.simulator.pki import PrivateKey, raw_point, raw_signature

VERSION_3: Final = 3
VERSION_4: Final = 4
VERSION_5: Final = 5

INTEL_QE_VENDOR_ID: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
ATTESTATION_KEY_P256: Final = 2
CERTIFICATION_PCK_CHAIN: Final = 5
CERTIFICATION_QE_REPORT: Final = 6
BODY_TYPE_SGX: Final = 1

FLAG_INITIALIZED: Final = 0x01
FLAG_DEBUG: Final = 0x02
FLAG_MODE64: Final = 0x04
FLAG_PROVISION_KEY: Final = 0x10
FLAG_KSS: Final = 0x80
"""Key separation and sharing: the enclave has a configuration id."""

_XFRM_LEGACY: Final = 0x03
"""x87 and SSE, which every enclave has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveReport:
    """An SGX report body: 384 bytes, of an application's enclave or of the quoting enclave."""

    mr_enclave: bytes
    mr_signer: bytes
    isv_prod_id: int = 0
    isv_svn: int = 0
    report_data: bytes = bytes(64)
    cpu_svn: bytes = bytes(16)
    misc_select: int = 0
    isv_ext_prod_id: bytes = bytes(16)
    flags: int = FLAG_INITIALIZED | FLAG_MODE64
    xfrm: int = _XFRM_LEGACY
    config_id: bytes = bytes(64)
    config_svn: int = 0
    isv_family_id: bytes = bytes(16)

    def encode(self) -> bytes:
        """The 384 bytes.

        Raises:
            ValueError: A field is not of its size.
        """
        return b"".join(
            (
                _sized("cpu_svn", self.cpu_svn, 16),
                _little(self.misc_select, 4),
                bytes(12),
                _sized("isv_ext_prod_id", self.isv_ext_prod_id, 16),
                _little(self.flags, 8),
                _little(self.xfrm, 8),
                _sized("mr_enclave", self.mr_enclave, 32),
                bytes(32),
                _sized("mr_signer", self.mr_signer, 32),
                bytes(32),
                _sized("config_id", self.config_id, 64),
                _little(self.isv_prod_id, 2),
                _little(self.isv_svn, 2),
                _little(self.config_svn, 2),
                bytes(42),
                _sized("isv_family_id", self.isv_family_id, 16),
                _sized("report_data", self.report_data, 64),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteHeader:
    """The 48 bytes that every quote begins with."""

    version: int = VERSION_3
    attestation_key_type: int = ATTESTATION_KEY_P256
    tee_type: int = 0
    qe_svn: int = 0
    pce_svn: int = 0
    qe_vendor_id: bytes = INTEL_QE_VENDOR_ID
    qe_id: bytes = bytes(16)

    def encode(self) -> bytes:
        """The 48 bytes.

        Raises:
            ValueError: A field is not of its size.
        """
        return b"".join(
            (
                _little(self.version, 2),
                _little(self.attestation_key_type, 2),
                _little(self.tee_type, 4),
                _little(self.qe_svn, 2),
                _little(self.pce_svn, 2),
                _sized("qe_vendor_id", self.qe_vendor_id, 16),
                _sized("qe_id", self.qe_id, 16),
                bytes(4),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyDescriptor:
    """What version 5 says of the body that follows. The quote's signature covers it."""

    body_type: int = BODY_TYPE_SGX
    body_size: int = 384

    def encode(self) -> bytes:
        """The 6 bytes."""
        return _little(self.body_type, 2) + _little(self.body_size, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteParts:
    """A quote as it goes on the wire. The sizes are right unless they are given."""

    header: bytes
    descriptor: bytes
    """Empty before version 5."""

    body: bytes
    quote_signature: bytes
    attestation_key: bytes
    """x‖y."""

    qe_report: bytes
    qe_report_signature: bytes
    qe_auth: bytes
    certification_type: int
    certification_data: bytes
    nested: bool
    """Whether the QE report is certification data itself (type 6), as from version 4 on."""

    outer_type: int = CERTIFICATION_QE_REPORT
    outer_size: int | None = None
    signature_size: int | None = None
    qe_auth_size: int | None = None
    certification_size: int | None = None
    stray: bytes = b""
    """After the certification data, inside the declared signature data."""

    trailing: bytes = b""
    """After the quote."""

    @property
    def signed(self) -> bytes:
        """The bytes that the quote's signature covers."""
        return self.header + self.descriptor + self.body

    def encode(self) -> bytes:
        """The quote."""
        signature_data = self.signature_data()
        size = len(signature_data) if self.signature_size is None else self.signature_size
        return self.signed + _little(size, 4) + signature_data + self.trailing

    def signature_data(self) -> bytes:
        """Everything that the signature data's size counts."""
        certification = b"".join(
            (
                self.qe_report,
                self.qe_report_signature,
                _counted(self.qe_auth, 2, self.qe_auth_size),
                _little(self.certification_type, 2),
                _counted(self.certification_data, 4, self.certification_size),
                self.stray,
            )
        )
        if self.nested:
            certification = _little(self.outer_type, 2) + _counted(
                certification, 4, self.outer_size
            )
        return self.quote_signature + self.attestation_key + certification


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteDraft:
    """What a quoting enclave knows before it signs."""

    header: QuoteHeader
    body: EnclaveReport
    attestation_key: PrivateKey
    qe_report: EnclaveReport
    """Its report data binds the attestation key, see `binding`."""

    qe_auth: bytes
    pck_key: PrivateKey
    certification_data: bytes
    certification_type: int = CERTIFICATION_PCK_CHAIN
    descriptor: BodyDescriptor | None = None

    def sign(self) -> QuoteParts:
        """The parts of the quote, both signatures made."""
        qe_report = self.qe_report.encode()
        unsigned = QuoteParts(
            header=self.header.encode(),
            descriptor=self.descriptor.encode() if self.descriptor else b"",
            body=self.body.encode(),
            quote_signature=b"",
            attestation_key=raw_point(self.attestation_key.public_key()),
            qe_report=qe_report,
            qe_report_signature=raw_signature(self.pck_key, qe_report),
            qe_auth=self.qe_auth,
            certification_type=self.certification_type,
            certification_data=self.certification_data,
            nested=self.header.version >= VERSION_4,
        )
        return replace(
            unsigned, quote_signature=raw_signature(self.attestation_key, unsigned.signed)
        )


def binding(attestation_key: bytes, qe_auth: bytes) -> bytes:
    """The QE's report data: SHA-256 of the attestation key and its authentication data."""
    return hashlib.sha256(attestation_key + qe_auth).digest() + bytes(32)


def _sized(field: str, data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError(f"{field}: expected {size} bytes, got {len(data)}")
    return data


def _little(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")


def _counted(data: bytes, width: int, declared: int | None) -> bytes:
    return _little(len(data) if declared is None else declared, width) + data
