"""TPM2B: bytes behind their size.

Source: TPM 2.0 Library, Part 2, section 10.4.
"""

from __future__ import annotations

from assay.wire import Reader


def read_buffer(reader: Reader, field: str, *, least: int = 0, most: int) -> bytes:
    """Read a size of two bytes, and so many bytes.

    Raises:
        MalformedEvidenceError: Fewer are left, or the size is not within `least` and `most`.
    """
    size = reader.uint(2, f"{field}_size")
    if not least <= size <= most:
        raise reader.malformed(f"{field}_size", f"{least} to {most}", f"{size}")
    return reader.octets(size, field)


def buffer(data: bytes) -> bytes:
    """`data` as a TPM2B."""
    return len(data).to_bytes(2, "big") + data
