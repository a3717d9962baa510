from __future__ import annotations

import base64
import json
import sys
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assay.encoding import (
    MAX_JSON_DEPTH,
    EncodingError,
    JsonValue,
    check_unicode,
    decode_base64,
    decode_base64url,
    decode_hex,
    encode_base64url,
    encode_json,
    encode_json_sorted,
    json_type,
    parse_json,
    parse_json_object,
    without_credentials,
)

# Integers of 64 bits, signed or not, and finite floats: what the protocols can hold.
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=16,
)


class TestBase64url:
    def test_encodes_in_the_url_alphabet_without_padding(self) -> None:
        assert encode_base64url(b"\xfb\xff\xfe\xff") == "-__-_w"

    @pytest.mark.parametrize("text", ["-__-_w", "-__-_w=="])
    def test_decodes_with_padding_or_without(self, text: str) -> None:
        assert decode_base64url(text, "data") == b"\xfb\xff\xfe\xff"

    def test_decodes_the_empty_text(self) -> None:
        assert decode_base64url("", "data") == b""

    @pytest.mark.parametrize(("text", "found"), [("ab+d", "'+'"), ("a/cd", "'/'")])
    def test_refuses_the_standard_alphabet_by_character(self, text: str, found: str) -> None:
        with pytest.raises(EncodingError, match="data: expected base64url") as caught:
            decode_base64url(text, "data")

        assert found in caught.value.message

    @pytest.mark.parametrize(
        "text",
        [
            "a",  # six bits are no byte
            "abcde",
            "ab=",  # too little padding
            "ab===",  # too much
            "abc==",
            "abcd=",
            "abcd====",
            "=",
            "====",
            "ab=c",  # padding inside
            "ab c",
            "abc\n",
            " abcd",
            "ab.d",
            "abcé",
            "abc\0",
        ],
    )
    def test_refuses_what_no_encoder_writes(self, text: str) -> None:
        for decode in (decode_base64url, decode_base64):
            with pytest.raises(EncodingError, match="data"):
                decode(text, "data")

    @pytest.mark.property
    @given(st.binary())
    def test_decodes_what_it_encoded(self, data: bytes) -> None:
        text = encode_base64url(data)

        assert decode_base64url(text, "data") == data
        assert decode_base64url(base64.urlsafe_b64encode(data).decode(), "data") == data

    @pytest.mark.property
    @given(st.text() | st.text(alphabet="AQab01-_+/= \n"))
    def test_any_text_gives_bytes_or_an_encoding_error(self, text: str) -> None:
        try:
            data = decode_base64url(text, "data")
        except EncodingError:
            return

        # The last character may have bits that no byte uses; everything before it is the same.
        assert encode_base64url(data)[:-1] == text.rstrip("=")[:-1]


class TestBase64:
    @pytest.mark.parametrize("text", ["+//+/w==", "+//+/w", "-__-_w==", "-__-_w"])
    def test_decodes_either_alphabet_with_padding_or_without(self, text: str) -> None:
        assert decode_base64(text, "data") == b"\xfb\xff\xfe\xff"

    @pytest.mark.property
    @given(st.binary())
    def test_decodes_what_the_standard_library_encoded(self, data: bytes) -> None:
        assert decode_base64(base64.b64encode(data).decode(), "data") == data

    @pytest.mark.property
    @given(st.text() | st.text(alphabet="AQab01-_+/= \n"))
    def test_any_text_gives_bytes_or_an_encoding_error(self, text: str) -> None:
        try:
            data = decode_base64(text, "data")
        except EncodingError:
            return

        assert len(data) == len(text.rstrip("=")) * 3 // 4


class TestHex:
    @pytest.mark.parametrize("text", ["00ff7f", "00FF7F", "00Ff7f"])
    def test_decodes_either_case(self, text: str) -> None:
        assert decode_hex(text, "digest") == b"\x00\xff\x7f"

    @pytest.mark.parametrize("text", ["0", "0g", "00 ff", " 00", "00\n", "0x00", "\uff10\uff10"])
    def test_refuses_anything_but_pairs_of_digits(self, text: str) -> None:
        with pytest.raises(EncodingError, match="digest: expected hexadecimal digits"):
            decode_hex(text, "digest")

    def test_accepts_exactly_the_size_asked_for(self) -> None:
        assert decode_hex("00ff", "digest", size=2) == b"\x00\xff"

    @pytest.mark.parametrize("text", ["", "00", "00ff00"])
    def test_refuses_another_size(self, text: str) -> None:
        with pytest.raises(EncodingError, match="digest: expected 2 bytes of hexadecimal"):
            decode_hex(text, "digest", size=2)

    @pytest.mark.property
    @given(st.binary())
    def test_decodes_what_bytes_spell(self, data: bytes) -> None:
        assert decode_hex(data.hex(), "digest", size=len(data)) == data

    @pytest.mark.property
    @given(st.text())
    def test_any_text_gives_bytes_or_an_encoding_error(self, text: str) -> None:
        try:
            data = decode_hex(text, "digest")
        except EncodingError:
            return

        assert data.hex() == text.lower()


class TestUnicode:
    def test_takes_every_text_that_utf_8_can_carry(self) -> None:
        check_unicode("", "nonce")
        check_unicode("é€😀\0", "nonce")

    @pytest.mark.parametrize("text", ["ab\ud800", "ab\udfff\ud800"])
    def test_refuses_half_of_a_surrogate_pair_by_its_place(self, text: str) -> None:
        with pytest.raises(EncodingError, match=r"^nonce: expected Unicode text, .* character 2$"):
            check_unicode(text, "nonce")


class TestParseJson:
    @pytest.mark.parametrize(
        ("data", "value"),
        [
            (b"null", None),
            (b" \t\r\n true \n", True),
            (b'{"a":[1,-2.5e3,"x",{}]}', {"a": [1, -2500.0, "x", {}]}),
            ('"é€😀"'.encode(), "é€😀"),
            (b'"\\u00e9\\ud83d\\ude00\\n\\/"', "é😀\n/"),
            (b'{"":0}', {"": 0}),
            (b'{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
            (b"-0", 0),
            (b"18446744073709551615", 2**64 - 1),
            (b"-9223372036854775808", -(2**63)),
            (b"1" + b"0" * 300 + b"e-300", 1.0),
            (b"1e308", 1e308),
            (b"1e-400", 0.0),
        ],
    )
    def test_reads_json(self, data: bytes, value: JsonValue) -> None:
        parsed = parse_json(data, "body")

        assert parsed == value
        assert type(parsed) is type(value)

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"  ", id="blank"),
            pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
            pytest.param('"a"'.encode("utf-16"), id="utf-16"),
            pytest.param(b'"\xff"', id="invalid-utf-8"),
            pytest.param(b'"\xed\xa0\x80"', id="surrogate-in-utf-8"),
            pytest.param(b'"\xc0\xaf"', id="overlong-utf-8"),
            pytest.param(b'{"\xff":1}', id="invalid-utf-8-in-a-name"),
            pytest.param(b'"\\ud800"', id="lone-high-surrogate"),
            pytest.param(b'"\\udc00 "', id="lone-low-surrogate"),
            pytest.param(b'"\\ud800\\u0041"', id="half-a-pair"),
            pytest.param(b'{"\\ud800":1}', id="lone-surrogate-in-a-name"),
            pytest.param(b'"\x00"', id="control-character"),
            pytest.param(b'"\n"', id="newline-in-a-string"),
            pytest.param(b'"\\x41"', id="unknown-escape"),
            pytest.param(b'"abc', id="unterminated"),
            pytest.param(b"'a'", id="single-quotes"),
            pytest.param(b"NaN", id="nan"),
            pytest.param(b"[Infinity]", id="infinity"),
            pytest.param(b"-Infinity", id="minus-infinity"),
            pytest.param(b"01", id="leading-zero"),
            pytest.param(b"+1", id="plus"),
            pytest.param(b"1.", id="no-fraction"),
            pytest.param(b".5", id="no-integer"),
            pytest.param(b"0x10", id="hexadecimal"),
            pytest.param(b"1e400", id="beyond-a-float"),
            pytest.param(b"-1e400", id="below-a-float"),
            pytest.param(b"1" * 21, id="21-digits"),
            pytest.param(b"-" + b"1" * 20, id="sign-and-20-digits"),
            pytest.param(b"1" * 5000, id="more-digits-than-python-reads"),
            pytest.param(b"[1,]", id="trailing-comma"),
            pytest.param(b'{"a":1,}', id="trailing-comma-in-an-object"),
            pytest.param(b"{a:1}", id="unquoted-name"),
            pytest.param(b"{1:1}", id="number-as-name"),
            pytest.param(b"[1 2]", id="missing-comma"),
            pytest.param(b"{} {}", id="two-values"),
            pytest.param(b"[] // why", id="comment"),
            pytest.param(b"\x0b1", id="other-space"),
            pytest.param(b"\xc2\xa01", id="no-break-space"),
            pytest.param(b"True", id="python"),
        ],
    )
    def test_refuses_what_is_not_strict_json(self, data: bytes) -> None:
        with pytest.raises(EncodingError, match=r"^body: "):
            parse_json(data, "body")

    @pytest.mark.parametrize(
        "data",
        [
            b'{"a":1,"a":1}',
            b'{"a":1,"\\u0061":2}',
            b'{"b":0,"a":1,"c":[],"a":2}',
            b'{"outer":[{"a":1,"a":2}]}',
        ],
    )
    def test_refuses_a_name_that_comes_twice(self, data: bytes) -> None:
        with pytest.raises(EncodingError, match="body: expected unique names, got 'a' twice"):
            parse_json(data, "body")

    @pytest.mark.parametrize(
        ("data", "place"),
        [
            (b'{"a":"\\ud800"}', "half of a surrogate pair (byte 6)"),
            (b'{"\\uD800":1}', "half of a surrogate pair (byte 2)"),
            (b'{"a\\n":"\\ud83d\\ude00\\uDBFF"}', "half of a surrogate pair (byte 20)"),
            (b'{"a":"\\\\ud800', "Input data was truncated"),
            (b'{"a":"\\ud800', "Input data was truncated"),
            (b'{"a":"\\ud83d\\ude0', "Input data was truncated"),
            (b'{"a":"abc', "Input data was truncated"),
            (b'{"a":"\xff"}', "expected UTF-8, got 0xff (byte 6)"),
            ('{"é":"é'.encode() + b'\xc3"}', "expected UTF-8, got 0xc3 (byte 9)"),
            (b'{"a":"\\n\xed\xa0\x80"}', "expected UTF-8, got 0xed (byte 8)"),
        ],
    )
    def test_says_what_is_wrong_with_a_text_and_where(self, data: bytes, place: str) -> None:
        with pytest.raises(EncodingError) as caught:
            parse_json(data, "body")

        assert caught.value.message == f"body: not valid JSON: {place}"

    def test_shows_no_more_than_the_start_of_a_name_that_comes_twice(self) -> None:
        name = b'"' + b"n" * 100_000 + b'"'

        with pytest.raises(EncodingError) as caught:
            parse_json(b"{%b:1,%b:1}" % (name, name), "body")

        assert len(caught.value.message) < 200

    @pytest.mark.parametrize("levels", [1, 2, MAX_JSON_DEPTH])
    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
    def test_reads_as_many_levels_as_are_allowed(
        self, levels: int, opening: bytes, closing: bytes
    ) -> None:
        data = opening * levels + b"1" + closing * levels

        assert parse_json(data, "body", max_depth=levels) is not None
        with pytest.raises(EncodingError, match=f"at most {levels - 1} levels"):
            parse_json(data, "body", max_depth=levels - 1)

    def test_says_where_it_became_too_deep(self) -> None:
        with pytest.raises(EncodingError, match=r"at most 64 levels .* at byte 67$"):
            parse_json(b"[1, " + b"[" * 64 + b"]" * 65, "body")

    def test_does_not_overflow_the_stack(self) -> None:
        with pytest.raises(EncodingError):
            parse_json(b"[" * 1_000_000, "body")

    @pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"b":', b"}")])
    def test_a_value_that_another_of_its_name_hides_is_too_deep_at_any_depth(
        self, opening: bytes, closing: bytes
    ) -> None:
        # Decoders give up at some depth near the interpreter's limit, each at its own.
        for levels in range(MAX_JSON_DEPTH, sys.getrecursionlimit() + 20):
            data = b'{"a":%b1%b,"a":1}' % (opening * levels, closing * levels)

            with pytest.raises(EncodingError, match=r"^body: "):
                parse_json(data, "body")

    def test_siblings_are_not_depth(self) -> None:
        assert parse_json(b"[" + b"[],{}," * 500 + b"[]]", "body") == [[], {}] * 500 + [[]]

    @pytest.mark.parametrize(
        "text",
        ["[" * 200, "{" * 200, '"' + "[" * 200, "\\" + "[" * 200, '\\"' + "{" * 200 + '\\"', "]{"],
    )
    def test_brackets_inside_strings_are_not_depth(self, text: str) -> None:
        value: JsonValue = [{text: [text, text]}, "[" * 200]

        assert parse_json(json.dumps(value).encode(), "body", max_depth=3) == value

    def test_brackets_after_a_string_that_ends_in_a_backslash_are_depth(self) -> None:
        with pytest.raises(EncodingError, match="levels of nesting"):
            parse_json(b'["\\\\",' + b"[" * 5 + b"]" * 6, "body", max_depth=5)

    @pytest.mark.parametrize("tail", [b"", b"\\"])
    def test_takes_linear_time_for_a_string_without_its_end(self, tail: bytes) -> None:
        # Each escaped quote looks like the start of a string to a scanner that tries again.
        data = b'"' + b'\\"' * 200_000 + b"[" * 65 + tail
        start = time.perf_counter()

        with pytest.raises(EncodingError, match="not valid JSON"):
            parse_json(data, "body")

        assert time.perf_counter() - start < 5

    @pytest.mark.property
    @given(JSON_VALUES)
    def test_reads_what_it_wrote(self, value: JsonValue) -> None:
        assert parse_json(encode_json(value), "body") == value
        assert parse_json(encode_json_sorted(value), "body") == value

    @pytest.mark.property
    @given(JSON_VALUES)
    def test_reads_what_the_standard_library_wrote(self, value: JsonValue) -> None:
        assert parse_json(json.dumps(value).encode(), "body") == value
        assert parse_json(json.dumps(value, ensure_ascii=False, indent=1).encode(), "body") == value

    @pytest.mark.property
    @given(st.binary() | st.text(alphabet='{}[]":,\\ 0123456789.eE-+truefalsn\n').map(str.encode))
    @example(b'"\\u00')
    @example(b"]" * 70 + b"[" * 70)
    def test_any_bytes_give_a_value_or_an_encoding_error(self, data: bytes) -> None:
        try:
            value = parse_json(data, "body", max_depth=4)
        except EncodingError:
            return

        # What is accepted is what the standard library reads, and can be written again.
        assert value == json.loads(data)
        assert parse_json(encode_json(value), "body") == value

    @pytest.mark.property
    @given(JSON_VALUES, st.integers(0, 10))
    def test_depth_is_that_of_the_value(self, value: JsonValue, limit: int) -> None:
        data = json.dumps(value).encode()

        if _depth(value) <= limit:
            assert parse_json(data, "body", max_depth=limit) == value
        else:
            with pytest.raises(EncodingError, match="levels of nesting"):
                parse_json(data, "body", max_depth=limit)


class TestParseJsonObject:
    def test_reads_an_object(self) -> None:
        assert parse_json_object(b'{"a":1}', "body") == {"a": 1}

    @pytest.mark.parametrize(
        ("data", "found"),
        [
            (b"[]", "an array"),
            (b'"{}"', "a string"),
            (b"1", "a number"),
            (b"1.5", "a number"),
            (b"true", "a boolean"),
            (b"null", "null"),
        ],
    )
    def test_refuses_any_other_value_by_its_type(self, data: bytes, found: str) -> None:
        with pytest.raises(EncodingError, match=f"body: expected a JSON object, got {found}"):
            parse_json_object(data, "body")


def test_json_type_knows_an_object() -> None:
    assert json_type({}) == "an object"


def test_encode_json_keeps_the_order_and_writes_no_spaces() -> None:
    assert encode_json({"b": [1, "é"], "a": None}) == '{"b":[1,"é"],"a":null}'.encode()


def test_encode_json_sorted_sorts_at_every_level_by_code_point() -> None:
    value: JsonValue = {"b": {"z": 1, "Z": 2}, "a": [{"y": 1, "x": 2}], "_": 0, "é": 1}

    assert encode_json_sorted(value).decode() == (
        '{"_":0,"a":[{"x":2,"y":1}],"b":{"Z":2,"z":1},"é":1}'
    )


@pytest.mark.property
@given(st.dictionaries(st.text(), st.integers(0, 9)))
def test_encode_json_sorted_does_not_depend_on_the_order_given(members: dict[str, Any]) -> None:
    again = dict(reversed(members.items()))

    assert encode_json_sorted(members) == encode_json_sorted(again)
    assert list(json.loads(encode_json_sorted(members))) == sorted(members)


def _depth(value: JsonValue) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:hunter2@host/path", "https://(hidden)@host/path"),
        ("pccs:https://hunter2@host", "pccs:https://(hidden)@host"),
        ("at http://a:b@c and http://d", "at http://(hidden)@c and http://d"),
        ("https://host/a@b", "https://host/a@b"),
        ("someone@host", "someone@host"),
    ],
)
def test_credentials_of_urls_are_not_shown(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
