"""Key sets that were fetched before, for readers without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from assay.encoding import JsonValue, encode_json
from assay.errors import SettingsError
from assay.token import KeySet, parse_key_set


def load_key_set(path: Path) -> KeySet:
    """The keys of a JWKS file, such as a service's `/certs` saved once.

    Raises:
        SettingsError: The file cannot be read.
        TokenError: It holds no key set.
    """
    try:
        return parse_key_set(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: cannot read the key set: {error.strerror}") from error


def read_key_set(document: Mapping[str, JsonValue]) -> KeySet:
    """The keys of a JWKS document that is parsed already.

    Raises:
        TokenError: It is no key set.
    """
    return parse_key_set(encode_json(dict(document)))
