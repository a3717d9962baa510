"""The quote header and the SGX report body, which is a quote's body or its QE report.

Source: Intel SGX ECDSA QuoteGenReference, appendix A.4; Intel TDX DCAP Quoting Library, A.3.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from assay.wire import Layout, Reader, octets, uint, zeros

QUOTE_FORMAT: Final = "dcap.quote.quote_format"
UNSUPPORTED: Final = "dcap.quote.unsupported"

INTEL_QE_VENDOR_ID: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")

_HEADER = Layout(
    "header",
    uint("version", 2),
    uint("attestation_key_type", 2),
    uint("tee_type", 4),
    uint("qe_svn", 2),
    uint("pce_svn", 2),
    octets("qe_vendor_id", 16),
    octets("user_data", 20),
)

_REPORT_BODY = Layout(
    "report_body",
    octets("cpu_svn", 16),
    uint("misc_select", 4),
    zeros("reserved1", 12),
    octets("isv_ext_prod_id", 16),
    octets("attributes", 16),
    octets("mr_enclave", 32),
    zeros("reserved2", 32),
    octets("mr_signer", 32),
    zeros("reserved3", 32),
    octets("config_id", 64),
    uint("isv_prod_id", 2),
    uint("isv_svn", 2),
    uint("config_svn", 2),
    zeros("reserved4", 42),
    octets("isv_family_id", 16),
    octets("report_data", 64),
)

HEADER_SIZE: Final = _HEADER.size
REPORT_BODY_SIZE: Final = _REPORT_BODY.size

_DEBUG = 0x02
_KSS = 0x80


class QuoteHeader(NamedTuple):
    """The first 48 bytes of every quote, all of them signed.

    A tuple, like the report body: both are made for every quote, and tuples are made faster.

    The QE and PCE SVNs are informative: the TCB comes from the PCK certificate and the QE report.
    """

    version: int
    attestation_key_type: int
    tee_type: int
    qe_svn: int
    pce_svn: int
    qe_vendor_id: bytes
    user_data: bytes


class SgxReportBody(NamedTuple):
    """What EREPORT says of an enclave (Intel SDM vol. 3D, REPORT)."""

    cpu_svn: bytes
    misc_select: int
    isv_ext_prod_id: bytes
    attributes: bytes
    """Flags (8 bytes, little-endian), then XFRM (8 bytes)."""

    mr_enclave: bytes
    mr_signer: bytes
    config_id: bytes
    isv_prod_id: int
    isv_svn: int
    config_svn: int
    isv_family_id: bytes
    report_data: bytes

    @property
    def is_debuggable(self) -> bool:
        """ATTRIBUTES.DEBUG: the host can read the enclave's memory."""
        return bool(self.attributes[0] & _DEBUG)

    @property
    def has_key_separation(self) -> bool:
        """ATTRIBUTES.KSS: configuration id and extended product ids mean something."""
        return bool(self.attributes[0] & _KSS)


def read_header(reader: Reader) -> QuoteHeader:
    """Read the header: 48 bytes, little-endian.

    | offset | size | field                |
    |-------:|-----:|----------------------|
    |      0 |    2 | version              |
    |      2 |    2 | attestation key type |
    |      4 |    4 | TEE type             |
    |      8 |    2 | QE SVN               |
    |     10 |    2 | PCE SVN              |
    |     12 |   16 | QE vendor id         |
    |     28 |   20 | user data            |

    Raises:
        MalformedEvidenceError: Too few bytes.
    """
    return QuoteHeader._make(reader.layout(_HEADER))


def read_report_body(reader: Reader) -> SgxReportBody:
    """Read an SGX report body: 384 bytes, little-endian.

    | offset | size | field               |
    |-------:|-----:|---------------------|
    |      0 |   16 | CPUSVN              |
    |     16 |    4 | MISCSELECT          |
    |     20 |   12 | reserved, 0         |
    |     32 |   16 | ISVEXTPRODID        |
    |     48 |   16 | ATTRIBUTES          |
    |     64 |   32 | MRENCLAVE           |
    |     96 |   32 | reserved, 0         |
    |    128 |   32 | MRSIGNER            |
    |    160 |   32 | reserved, 0         |
    |    192 |   64 | CONFIGID            |
    |    256 |    2 | ISVPRODID           |
    |    258 |    2 | ISVSVN              |
    |    260 |    2 | CONFIGSVN           |
    |    262 |   42 | reserved, 0         |
    |    304 |   16 | ISVFAMILYID         |
    |    320 |   64 | REPORTDATA          |

    Raises:
        MalformedEvidenceError: Too few bytes, or a reserved byte is set.
    """
    return SgxReportBody._make(reader.layout(_REPORT_BODY))
