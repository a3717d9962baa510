"""Any bytes as an answer are refused, and any JSON as runtime data unless its key is sound."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.encoding import EncodingError, encode_json, parse_json_object
    from assay.errors import ReleaseRefusedError
    from assay.keyrelease import ReleaseContext, ReleaseKey, attested_key, wrap

_NAME: Final = "fuzz"
_SECRET: Final = b"secret"
_KEY: Final = ReleaseKey.generate()
_CONTEXT: Final = ReleaseContext(secret=_NAME, requester=_NAME, nonce="n" * 43)
_RUNTIME: Final = json.loads(_KEY.runtime_data(_CONTEXT))
_ENVELOPE: Final = wrap(_SECRET, attested_key({"x-ms-runtime": _RUNTIME}).key, _CONTEXT)

SEEDS: Final = (
    _ENVELOPE.encode(),
    _KEY.runtime_data(_CONTEXT),
    encode_json({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}], "release": {}}),
)


def test_one_input(data: bytes) -> None:
    with contextlib.suppress(ReleaseRefusedError):
        if _KEY.unwrap(data.decode("latin-1"), _CONTEXT) != _SECRET:
            raise AssertionError("another secret than was wrapped")
    with contextlib.suppress(ReleaseRefusedError, EncodingError):
        found = attested_key({"x-ms-runtime": parse_json_object(data, "runtime data")})
        if found.key.is_private:
            raise AssertionError("a private key")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
