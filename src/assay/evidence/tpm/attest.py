"""What a TPM signs: TPMS_ATTEST of a quote and of a certification.

Source: TPM 2.0 Library, Part 2, sections 10.12 (attestation structures) and 10.6 (PCR selections).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from assay.evidence.tpm.algorithms import HashAlgorithm, read_hash
from assay.evidence.tpm.buffers import read_buffer
from assay.wire import Layout, Reader, uint

ATTEST_FORMAT: Final = "tpm.attest.format"

_MAX_ATTEST_SIZE: Final = 4096
"""The largest of them, with every bank selected, takes under 400 bytes."""

_GENERATED: Final = 0xFF544347
"""TPM_GENERATED_VALUE: a restricted key signs nothing else that starts so."""

_CERTIFY: Final = 0x8017
_QUOTE: Final = 0x8018
_KINDS: Final = {
    0x8014: "NV certification",
    0x8015: "session audit",
    0x8016: "command audit",
    _CERTIFY: "certification",
    _QUOTE: "quote",
    0x8019: "time",
    0x801A: "creation",
    0x801C: "NV digest certification",
}
_MAX_NAME: Final = 66
_MAX_DATA: Final = 66
_MAX_DIGEST: Final = 64
_MAX_SELECTIONS: Final = 16
_SELECTION_SIZES: Final = frozenset({3, 4})
PCR_COUNT: Final = 24
"""PCRs of a PC client; a bitmap of four bytes may name no more of them."""

_CLOCK: Final = Layout(
    "clock_info",
    uint("clock", 8),
    uint("reset_count", 4),
    uint("restart_count", 4),
    uint("safe", 1),
    uint("firmware_version", 8),
    order="big",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockInfo:
    """The TPM's time and its boots.

    The counts and the firmware version are obfuscated for keys outside the endorsement and
    platform hierarchies: equal for equal state, and nothing else.
    """

    clock: int
    """Milliseconds that the TPM has been powered."""

    reset_count: int
    """Cold boots."""

    restart_count: int
    """Restarts and resumes since the last cold boot."""

    safe: bool
    """Whether `clock` has never been higher; false after a disorderly shutdown."""

    firmware_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PcrSelection:
    """The PCRs of one bank."""

    bank: HashAlgorithm
    indexes: tuple[int, ...]
    """Ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What every attestation structure has."""

    qualified_signer: bytes
    """The qualified name of the key that signed."""

    extra_data: bytes
    """The qualifying data that the caller of the TPM chose."""

    clock: ClockInfo
    signed: bytes
    """The whole structure, which the signature covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmQuote(Attested):
    """TPMS_ATTEST of TPM2_Quote, unverified."""

    selections: tuple[PcrSelection, ...]
    """In the order that the digest is over."""

    pcr_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmCertification(Attested):
    """TPMS_ATTEST of TPM2_Certify, unverified."""

    name: bytes
    """Of the key that is certified."""

    qualified_name: bytes


def parse_quote(data: bytes) -> TpmQuote:
    """Parse a quote.

    Raises:
        MalformedEvidenceError: Not exactly one quote: of another kind, cut off, or followed by
            more; a bank twice, or a bitmap that names PCRs which do not exist.
    """
    reader = _reader(data, "quote")
    signer, extra_data, clock = _read_head(reader, _QUOTE)
    selections = _read_selections(reader)
    pcr_digest = read_buffer(reader, "pcr_digest", most=_MAX_DIGEST)
    reader.end()
    return TpmQuote(
        qualified_signer=signer,
        extra_data=extra_data,
        clock=clock,
        signed=data,
        selections=selections,
        pcr_digest=pcr_digest,
    )


def parse_certification(data: bytes) -> TpmCertification:
    """Parse a key certification.

    Raises:
        MalformedEvidenceError: Not exactly one certification.
    """
    reader = _reader(data, "certification")
    signer, extra_data, clock = _read_head(reader, _CERTIFY)
    name = read_buffer(reader, "name", most=_MAX_NAME)
    qualified_name = read_buffer(reader, "qualified_name", most=_MAX_NAME)
    reader.end()
    return TpmCertification(
        qualified_signer=signer,
        extra_data=extra_data,
        clock=clock,
        signed=data,
        name=name,
        qualified_name=qualified_name,
    )


def _reader(data: bytes, name: str) -> Reader:
    reader = Reader(data, name, check=ATTEST_FORMAT, order="big")
    if len(data) > _MAX_ATTEST_SIZE:
        raise reader.malformed("size", f"at most {_MAX_ATTEST_SIZE} bytes", f"{len(data)}")
    return reader


def _read_head(reader: Reader, kind: int) -> tuple[bytes, bytes, ClockInfo]:
    magic = reader.uint(4, "magic")
    if magic != _GENERATED:
        raise reader.malformed("magic", f"TPM_GENERATED_VALUE 0x{_GENERATED:x}", f"0x{magic:08x}")
    given = reader.uint(2, "type")
    if given != kind:
        named = _KINDS.get(given, "unknown")
        raise reader.malformed("type", f"0x{kind:x} ({_KINDS[kind]})", f"0x{given:04x} ({named})")
    signer = read_buffer(reader, "qualified_signer", most=_MAX_NAME)
    extra_data = read_buffer(reader, "extra_data", most=_MAX_DATA)
    clock, resets, restarts, safe, firmware = reader.layout(_CLOCK)
    if safe > 1:
        raise reader.malformed("safe", "0 or 1", f"{safe}")
    return (
        signer,
        extra_data,
        ClockInfo(
            clock=clock,
            reset_count=resets,
            restart_count=restarts,
            safe=bool(safe),
            firmware_version=firmware,
        ),
    )


def _read_selections(reader: Reader) -> tuple[PcrSelection, ...]:
    count = reader.uint(4, "selection_count")
    if count > _MAX_SELECTIONS:
        raise reader.malformed("selection_count", f"at most {_MAX_SELECTIONS}", f"{count}")
    selections = tuple(_read_selection(reader) for _ in range(count))
    if len({selection.bank for selection in selections}) != count:
        raise reader.malformed("selection", "each bank once", "a bank twice")
    return selections


def _read_selection(reader: Reader) -> PcrSelection:
    bank = read_hash(reader, "selection_hash")
    size = reader.uint(1, "selection_size")
    if size not in _SELECTION_SIZES:
        raise reader.malformed("selection_size", "3 or 4", f"{size}")
    # Bit i of byte j is PCR 8j + i, which is what little-endian means.
    bitmap = int.from_bytes(reader.octets(size, "selection_bitmap"), "little")
    if bitmap >> PCR_COUNT:
        raise reader.malformed("selection_bitmap", f"PCRs below {PCR_COUNT}", f"0x{bitmap:x}")
    indexes = tuple(index for index in range(PCR_COUNT) if bitmap >> index & 1)
    return PcrSelection(bank=bank, indexes=indexes)
