"""Any text is base64 of whole bytes that encode to it again, or `EncodingError`."""

from __future__ import annotations

import base64
import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.encoding import (
        EncodingError,
        decode_base64,
        decode_base64url,
        decode_hex,
        encode_base64url,
    )

SEEDS: Final = (b"-__-_w", b"-__-_w==", b"+//+/w==", b"ab=c", b"a", b"00fF", "é".encode())


def test_one_input(data: bytes) -> None:
    text = data.decode("latin-1")
    _decode_hex(text)
    try:
        either = decode_base64(text, "input")
    except EncodingError:
        either = None
    try:
        decoded = decode_base64url(text, "input")
    except EncodingError:
        if either is not None and not set("+/") & set(text):
            raise AssertionError("refused what is base64url") from None
        return
    if decoded != either:
        raise AssertionError("the two decoders differ")
    # The last character may have bits that no byte uses; all before it must come back.
    if encode_base64url(decoded)[:-1] != text.rstrip("=")[:-1]:
        raise AssertionError("encodes to something else")
    if decoded != base64.urlsafe_b64decode(text.rstrip("=") + "=="):
        raise AssertionError("read differently than by the standard library")


def _decode_hex(text: str) -> None:
    try:
        decoded = decode_hex(text, "input")
    except EncodingError:
        return
    if decoded.hex() != text.lower():
        raise AssertionError("hexadecimal that encodes to something else")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
