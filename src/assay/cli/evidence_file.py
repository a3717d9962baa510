"""Evidence as a file holds it: bytes, or text that stands for bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from assay.cli.input_file import read_input
from assay.encoding import EncodingError, decode_base64, decode_hex
from assay.errors import Finding, MalformedEvidenceError
from assay.evidence.format import AttestationType

_HEX: Final = re.compile(rb"[0-9A-Fa-f]+")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_WHITE_SPACE: Final = re.compile(rb"[ \t\r\n]+")

_OPEN_ENCLAVE_VERSIONS: Final = {1, 3}
"""Of a report and of evidence, as the first four bytes. A quote's first four bytes are never one
of them: its attestation key type, which is not zero, stands in the upper half."""


class FileEncoding(StrEnum):
    """What the bytes of a file stand for."""

    BINARY = "binary"
    HEX = "hexadecimal text"
    BASE64 = "base64 text"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """Evidence and how the file spelled it."""

    data: bytes
    encoding: FileEncoding

    @property
    def attestation_type(self) -> AttestationType:
        """What the first bytes say: an Open Enclave envelope, or else an SGX quote."""
        version = int.from_bytes(self.data[:4], "little")
        if len(self.data) >= 4 and version in _OPEN_ENCLAVE_VERSIONS:  # noqa: PLR2004  u32
            return AttestationType.OPEN_ENCLAVE
        return AttestationType.SGX_ENCLAVE


def read_evidence_file(path: Path) -> EvidenceFile:
    """The evidence in a file, or in standard input for `-`.

    Raises:
        RequestError: The file cannot be read.
        MalformedEvidenceError: The file is base64 text of no whole number of bytes.
    """
    return decode_evidence(read_input(path))


def decode_evidence(content: bytes) -> EvidenceFile:
    """The evidence that a file's content stands for.

    All of the content decides, and each content has one reading: only hexadecimal digits, an even
    number of them, is hexadecimal; only characters of base64 is base64; the rest is binary. Every
    evidence format begins with a small integer, whose bytes no text contains.

    Raises:
        MalformedEvidenceError: Base64 text of no whole number of bytes.
    """
    text = _WHITE_SPACE.sub(b"", content)
    if len(text) % 2 == 0 and _HEX.fullmatch(text):
        data = decode_hex(text.decode("ascii"), "evidence")
        return EvidenceFile(data=data, encoding=FileEncoding.HEX)
    if not _BASE64.fullmatch(text):
        return EvidenceFile(data=content, encoding=FileEncoding.BINARY)
    try:
        data = decode_base64(text.decode("ascii"), "evidence")
    except EncodingError as error:
        finding = Finding(
            check="dcap.quote.quote_format",
            expected="evidence as bytes, hexadecimal or base64 text",
            actual=f"{len(text)} base64 characters, which encode no whole number of bytes",
            hint="the text may have been cut",
        )
        raise MalformedEvidenceError(error.message, findings=[finding]) from error
    return EvidenceFile(data=data, encoding=FileEncoding.BASE64)
