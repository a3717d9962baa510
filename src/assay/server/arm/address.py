"""Where a request is about: the parts of a resource's identifier, in the caller's own spelling.

Paths match in any case, so the router sees them in lower case, and still percent-encoded: a `%2F`
inside a name is not a slash. Names are read here from what was sent, by their place in the pattern.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from assay.errors import SettingsError
from assay.server.arm.errors import ArmRefusal, ArmRefusedError
from assay.service.instance_names import check_instance_name
from assay.service.providers import RESOURCE_GROUP, SUBSCRIPTION, ProviderAddress

_CONNECTION: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_PATTERNS: Final = {
    "subscription": (re.compile(SUBSCRIPTION), ArmRefusal.SUBSCRIPTION, "a UUID"),
    "resource_group": (
        re.compile(RESOURCE_GROUP),
        ArmRefusal.RESOURCE_GROUP,
        "up to 90 letters, digits and _ ( ) - . with no full stop at the end",
    ),
    "connection": (
        re.compile(_CONNECTION),
        ArmRefusal.RESOURCE_NAME,
        "up to 80 letters, digits and _ . - with no . or - at the beginning",
    ),
}
_SHOWN_CHARACTERS: Final = 64


def routing_path(scope: Scope) -> str:
    """The path as the router is to see it."""
    return _sent_path(scope).lower()


def address_parts(scope: Scope, pattern: str) -> dict[str, str]:
    """The names in a path, by the names that `pattern` has for them.

    Raises:
        ArmRefusedError: One cannot be what it stands for.
    """
    found: dict[str, str] = {}
    parts = zip(pattern.split("/"), _sent_path(scope).split("/"), strict=True)
    for expected, sent in parts:
        if expected.startswith("{"):
            name = expected.strip("{}")
            found[name] = _checked(name, _decoded(sent))
    return found


def provider_address(parts: dict[str, str]) -> ProviderAddress:
    """The address of a provider."""
    return ProviderAddress(
        subscription=parts["subscription"],
        resource_group=parts["resource_group"],
        name=parts["provider"],
    )


def _sent_path(scope: Scope) -> str:
    raw: bytes = scope["raw_path"]
    return raw.decode("latin-1")


def _decoded(sent: str) -> str:
    try:
        return unquote_to_bytes(sent.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArmRefusedError(
            ArmRefusal.RESOURCE_NAME, "a name in the address is not UTF-8; encode it so"
        ) from error


def _checked(name: str, value: str) -> str:
    if name == "provider":
        try:
            check_instance_name(value)
        except SettingsError as error:
            raise ArmRefusedError(
                ArmRefusal.RESOURCE_NAME, error.message, target="providerName"
            ) from error
    elif name in _PATTERNS:
        pattern, refusal, wanted = _PATTERNS[name]
        if pattern.fullmatch(value) is None:
            shown = repr(value[:_SHOWN_CHARACTERS])
            what = name.replace("_", " ")
            raise ArmRefusedError(refusal, f"the {what} {shown} is none: it has {wanted}")
    return value
