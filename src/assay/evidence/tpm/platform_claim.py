"""The platform claim of the first protocol version: a quote in Windows's own frame.

| offset | size | field                                   |
|-------:|-----:|-----------------------------------------|
|      0 |    4 | magic, 0x54504C41                       |
|      4 |    4 | version, 0                              |
|      8 |    4 | bank of the PCRs                        |
|     12 |    4 | size of the signature                   |
|     16 |    4 | size of the quote                       |
|     20 |    4 | size of the PCRs                        |
|     24 |      | TPMT_SIGNATURE, TPMS_ATTEST, 24 digests |

Source: Windows SDK, ncrypt.h, NCRYPT_TPM_PLATFORM_ATTESTATION_STATEMENT.
"""

from __future__ import annotations

from typing import Final

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import PCR_COUNT
from assay.evidence.tpm.pcrs import PcrValues
from assay.evidence.tpm.verify import SignedStructure
from assay.wire import Layout, Reader, uint

_CHECK: Final = "tpm.platform_claim.format"
_MAGIC: Final = 0x54504C41
_HEAD: Final = Layout(
    "platform_claim",
    uint("magic", 4),
    uint("version", 4),
    uint("bank", 4),
    uint("signature_size", 4),
    uint("quote_size", 4),
    uint("pcrs_size", 4),
)


def parse_platform_claim(data: bytes) -> tuple[SignedStructure, PcrValues]:
    """Parse a platform claim: the quote, and the values of all PCRs of its bank.

    Raises:
        MalformedEvidenceError: Not exactly one claim over 24 PCRs of a known bank.
    """
    reader = Reader(data, "platform_claim", check=_CHECK)
    magic, version, number, signature_size, quote_size, pcrs_size = reader.layout(_HEAD)
    if (magic, version) != (_MAGIC, 0):
        raise reader.malformed(
            "magic", f"0x{_MAGIC:x} of version 0", f"0x{magic:x} of version {version}"
        )
    if number not in {*HashAlgorithm}:
        raise reader.malformed("bank", "a hash", f"algorithm 0x{number:x}")
    bank = HashAlgorithm(number)
    if pcrs_size != PCR_COUNT * bank.size:
        raise reader.malformed("pcrs_size", f"{PCR_COUNT * bank.size}", f"{pcrs_size}")
    signature = reader.octets(signature_size, "signature")
    quote = reader.octets(quote_size, "quote")
    values = {index: reader.octets(bank.size, "pcr") for index in range(PCR_COUNT)}
    reader.end()
    return SignedStructure(attest=quote, signature=signature), {bank: values}
