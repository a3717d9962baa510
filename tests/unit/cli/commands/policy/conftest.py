from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.encoding import JsonValue

GOOD = """version=1.0;
authorizationrules
{
    [type=="x-ms-sgx-is-debuggable", value==true] => deny();
    [type=="x-ms-sgx-svn", value>=2] => permit();
};
issuancerules
{
    c:[type=="x-ms-sgx-svn"] => issue(type="version", value=c.value);
};
"""

WRONG = """version=1.0;
authorizationrules
{
    [type="x-ms-sgx-svn"] => permit();
    => Deny();
};
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the folder that the test runs in; its name is its whole path."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, content: str | dict[str, JsonValue]) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_file
