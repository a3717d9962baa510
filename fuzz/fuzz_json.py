"""Any bytes are strict JSON that can be written and read again, or `EncodingError`."""

from __future__ import annotations

import json
import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.encoding import EncodingError, encode_json, encode_json_sorted, parse_json

SEEDS: Final = (
    b'{"a":[1,-2.5e3,"x",{}],"b":null}',
    b'{"a":1,"\\u0061":2}',
    b'"\\ud83d\\ude00 \\ud800"',
    b"[" * 70 + b"]" * 70,
    b'"' + b'\\"' * 64 + b"[" * 65,
    b"\xef\xbb\xbf18446744073709551616",
    b"[NaN, Infinity, 1e400, -0]",
)


def test_one_input(data: bytes) -> None:
    try:
        value = parse_json(data, "input")
    except EncodingError:
        return
    if value != json.loads(data):
        raise AssertionError("read differently than by the standard library")
    if parse_json(encode_json(value), "again") != value:
        raise AssertionError("not the same after writing and reading")
    if parse_json(encode_json_sorted(value), "again") != value:
        raise AssertionError("not the same after sorting, writing and reading")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
