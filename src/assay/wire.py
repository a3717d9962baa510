"""A bounded reader over untrusted bytes.

Every structure of every evidence format is read through it: in wire order, each field named at
the read, each block consumed exactly, an end check. It never returns fewer bytes than asked for.
Structures of a fixed size are tables (`Layout`); the rest are reads in sequence.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal

from assay.errors import Finding, MalformedEvidenceError

ByteOrder = Literal["little", "big"]

_SHOWN_BYTES = 8
"""How many bytes of a refused field an error shows."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a `Layout`: its name, size in bytes, and what its bytes become."""

    name: str
    size: int
    kind: Literal["bytes", "uint", "zeros"]


def octets(name: str, size: int) -> Field:
    """A field kept as `bytes`."""
    return Field(name, size, "bytes")


def uint(name: str, size: Literal[1, 2, 4, 8]) -> Field:
    """An unsigned integer of 1, 2, 4 or 8 bytes in the layout's order."""
    return Field(name, size, "uint")


def zeros(name: str, size: int) -> Field:
    """A reserved field: must be zero, yields no value."""
    return Field(name, size, "zeros")


_UINT_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Layout:
    """A structure of fixed size, compiled once; reading it yields its fields in order.

    Reserved fields are checked and left out of the values.
    """

    __slots__ = ("_blanks", "_fields", "_reserved", "_struct", "_values", "name", "size")

    def __init__(self, name: str, *fields: Field, order: ByteOrder = "little") -> None:
        codes = "".join(
            _UINT_CODES[field.size] if field.kind == "uint" else f"{field.size}s"
            for field in fields
        )
        self.name = name
        self._fields = fields
        self._struct = struct.Struct(("<" if order == "little" else ">") + codes)
        self.size = self._struct.size
        reserved = [index for index, field in enumerate(fields) if field.kind == "zeros"]
        kept = [index for index, field in enumerate(fields) if field.kind != "zeros"]
        self._blanks = tuple(bytes(fields[index].size) for index in reserved)
        self._reserved = _picker(reserved)
        self._values = _picker(kept)

    def unpack(self, data: bytes, check: str) -> tuple[Any, ...]:
        """The values of `data`, which must be exactly `size` bytes.

        Raises:
            MalformedEvidenceError: A reserved field is not zero. `check` is its finding's code.
        """
        values = self._struct.unpack(data)
        if not self._blanks:
            return values
        if self._reserved(values) != self._blanks:
            raise self._not_zero(values, check)
        return self._values(values)

    def _not_zero(self, values: tuple[Any, ...], check: str) -> MalformedEvidenceError:
        name, value = next(
            (field.name, value)
            for field, value in zip(self._fields, values, strict=True)
            if field.kind == "zeros" and any(value)
        )
        return malformed(check, f"{self.name}.{name} to be zero", _excerpt(value))


def _picker(indices: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """What picks the values at `indices`, as a tuple."""
    # With one index `itemgetter` gives the value itself, and with none it fails.
    if len(indices) > 1:
        return itemgetter(*indices)
    return lambda values: tuple(values[index] for index in indices)


class Reader:
    """Reads `data` from its start; refuses what is too short, left over or not zero.

    Args:
        data: The untrusted bytes.
        name: The structure, for error texts: `quote`.
        check: The code of the finding that a malformed structure causes.
        order: Byte order of integers.
    """

    __slots__ = ("_check", "_data", "_end", "_name", "_offset", "_order")

    def __init__(self, data: bytes, name: str, *, check: str, order: ByteOrder = "little") -> None:
        self._data = data
        self._name = name
        self._check = check
        self._order: ByteOrder = order
        self._offset = 0
        self._end = len(data)

    @property
    def offset(self) -> int:
        """How many bytes have been read."""
        return self._offset

    @property
    def consumed(self) -> bytes:
        """The bytes that have been read, from the start."""
        return self._data[: self._offset]

    def since(self, offset: int) -> bytes:
        """The bytes that have been read from `offset` on, an earlier value of the property."""
        return self._data[offset : self._offset]

    @property
    def remaining(self) -> int:
        """How many bytes are left in the innermost open block."""
        return self._end - self._offset

    def octets(self, size: int, field: str) -> bytes:
        """The next `size` bytes.

        Raises:
            MalformedEvidenceError: Fewer are left, or `size` is negative.
        """
        start = self._offset
        stop = start + size
        # Sizes are often differences of untrusted lengths: a negative one must not rewind.
        if not start <= stop <= self._end:
            raise self.malformed(field, f"{size} bytes", f"{self._end - start} left")
        self._offset = stop
        return self._data[start:stop]

    def uint(self, size: int, field: str) -> int:
        """The next `size` bytes as an unsigned integer.

        Raises:
            MalformedEvidenceError: Fewer are left.
        """
        return int.from_bytes(self.octets(size, field), self._order)

    def zeros(self, size: int, field: str) -> None:
        """Skip `size` reserved bytes.

        Raises:
            MalformedEvidenceError: Fewer are left, or one of them is not zero.
        """
        start = self._offset
        data = self.octets(size, field)
        if data.strip(b"\0"):
            self._offset = start
            raise self.malformed(field, f"{size} zero bytes", _excerpt(data))

    def layout(self, layout: Layout) -> tuple[Any, ...]:
        """The values of a structure of fixed size.

        Raises:
            MalformedEvidenceError: Too few bytes are left, or a reserved field is not zero.
        """
        return layout.unpack(self.octets(layout.size, layout.name), self._check)

    @contextmanager
    def block(self, size: int, field: str) -> Iterator[None]:
        """Confine the reads inside to the next `size` bytes, all of which they must consume.

        Raises:
            MalformedEvidenceError: Fewer bytes are left, `size` is negative, or some stay unread.
        """
        if not 0 <= size <= self.remaining:
            raise self.malformed(field, f"{size} bytes", f"{self.remaining} left")
        outer, self._end = self._end, self._offset + size
        try:
            yield
            if self.remaining:
                raise self.malformed(
                    field, f"exactly {size} bytes", f"{self.remaining} left unread"
                )
        finally:
            self._end = outer

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            MalformedEvidenceError: Something is.
        """
        if self.remaining:
            raise self.malformed("end", "no further bytes", f"{self.remaining} left")

    def end_padded(self) -> None:
        """Check that nothing but zero bytes is left.

        Linux (configfs-tsm) and several clouds hand evidence out in zero-padded buffers.

        Raises:
            MalformedEvidenceError: A byte after the declared end is not zero.
        """
        padding = self._data[self._offset : self._end]
        if padding.strip(b"\0"):
            raise self.malformed(
                "end", "nothing but zero padding", f"{len(padding)} bytes, not all zero"
            )

    def malformed(self, field: str, expected: str, actual: str) -> MalformedEvidenceError:
        """The error for `field` at the present offset, for the caller to raise."""
        return malformed(
            self._check, f"{expected} for {self._name}.{field}", f"{actual} at byte {self._offset}"
        )


def malformed(check: str, expected: str, actual: str) -> MalformedEvidenceError:
    """An error with its one finding."""
    finding = Finding(check=check, expected=expected, actual=actual)
    return MalformedEvidenceError(f"need {expected}, got {actual}", findings=[finding])


def _excerpt(data: bytes) -> str:
    shown = data[:_SHOWN_BYTES].hex()
    return f"0x{shown}" + ("…" if len(data) > _SHOWN_BYTES else "")
