"""One operation of the protocol as a value: what is sent, and how it may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from assay.encoding import JsonValue, encode_json

JSON: Final = "application/json"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to an instance, but for what the connection adds to it."""

    name: str
    """What logs and traces call it."""

    method: str
    path: str
    """With its query, under the instance's address."""

    repeatable: bool
    """Whether doing it twice is as good as once, whatever happened in between."""

    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


def get(name: str, path: str) -> Call:
    """A call that reads."""
    return Call(name=name, method="GET", path=path, repeatable=True, headers={"accept": JSON})


def post_json(name: str, path: str, document: JsonValue, *, repeatable: bool) -> Call:
    """A call that sends a JSON document."""
    return Call(
        name=name,
        method="POST",
        path=path,
        repeatable=repeatable,
        headers={"accept": JSON, "content-type": JSON},
        body=encode_json(document),
    )
