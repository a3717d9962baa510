from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.cli import input_file
from assay.cli.input_file import MAX_INPUT_BYTES, read_input, read_text, write_output
from assay.errors import RequestError


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream: Any = io.TextIOWrapper(io.BytesIO(b"\x03\x00"))
    monkeypatch.setattr(sys, "stdin", stream)

    assert read_input(Path("-")) == b"\x03\x00"


def test_standard_input_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python makes of a closed descriptor.
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(RequestError, match="-: standard input is closed; name a file"):
        read_input(Path("-"))


def test_standard_input_has_one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    stream: Any = io.TextIOWrapper(io.BytesIO(b"\x03\x00"))
    monkeypatch.setattr(sys, "stdin", stream)
    read_input(Path("-"))

    with pytest.raises(RequestError, match="only one of the files may be -"):
        read_input(Path("-"))


def test_a_file_that_is_missing_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"quote\.bin: cannot be read: No such file"):
        read_input(tmp_path / "quote.bin")


def test_a_file_larger_than_anything_real_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_file, "MAX_INPUT_BYTES", 4)
    path = tmp_path / "large"
    path.write_bytes(b"12345")

    with pytest.raises(RequestError, match="expected at most 4 bytes"):
        read_input(path)
    assert MAX_INPUT_BYTES > 4


def test_text_is_utf_8_with_its_white_space(tmp_path: Path) -> None:
    path = tmp_path / "policy"
    path.write_bytes("version= 1.0;\r\n// é\n".encode())

    assert read_text(path) == "version= 1.0;\r\n// é\n"


def test_text_of_another_encoding_is_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "policy"
    path.write_bytes(b"ab\xff")

    with pytest.raises(RequestError, match="expected UTF-8 text, got another byte at 2"):
        read_text(path)


def test_output_makes_its_folder(tmp_path: Path) -> None:
    write_output(tmp_path / "new" / "quote.bin", b"\x03")

    assert (tmp_path / "new" / "quote.bin").read_bytes() == b"\x03"


def test_output_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written: Is a directory"):
        write_output(tmp_path, b"")
