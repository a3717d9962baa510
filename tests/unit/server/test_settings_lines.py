from __future__ import annotations

import tomllib
from typing import Final

import pytest

from assay.server.settings_lines import flatten, setting_lines

_TEXT: Final = '''# comment
host = "a"

[limits]
requests = 1
[instance]
accepted_tcb = [
  "UpToDate", # why
]
policies.SgxEnclave = """
port = 1
[tls]
"""
public_url = "x"
[instance.policy_files]
OpenEnclave = "p"
[[auth.issuers]]
issuer = "b"
[[auth.issuers.grants]]
claim = "c"
[[auth.issuers]]
issuer = "d"
'''


@pytest.mark.parametrize("text", [_TEXT, _TEXT.replace("\n", "\r\n"), _TEXT.rstrip("\n")])
def test_each_value_is_at_the_line_where_it_begins(text: str) -> None:
    lines = setting_lines(text)

    assert {name: lines[name] for name, _ in flatten(tomllib.loads(text))} == {
        "host": 2,
        "limits.requests": 5,
        "instance.accepted_tcb": 7,
        "instance.policies.SgxEnclave": 10,
        "instance.public_url": 14,
        "instance.policy_files.OpenEnclave": 16,
        "auth.issuers": 17,
    }


def test_a_document_without_values_has_no_lines() -> None:
    assert setting_lines("") == {}
    assert setting_lines("# nothing\n\n") == {}


def test_lists_are_values() -> None:
    assert list(flatten({"a": {"b": [1, {"c": 2}]}, "d": 3})) == [("a.b", [1, {"c": 2}]), ("d", 3)]
