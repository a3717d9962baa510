"""The enclave's side: a key that lives for one release, and what its evidence vouches for.

```python
key = ReleaseKey.generate()
data = key.runtime_data(context)  # sent beside the evidence, as JSON
evidence = quote(report_data=key.report_data(context))
...  # attest, send the token to the broker
secret = key.unwrap(answer, context)
```

The runtime data is a JSON object of two members: `keys`, the public key as a JWK, and `release`,
the context. The first half of the report data is its SHA-256, as the attestation service demands.
"""

from __future__ import annotations

import hashlib
from typing import Final, Self, final

from joserfc.jwk import ECKey, RSAKey

from assay.encoding import JsonValue, encode_json_sorted
from assay.keyrelease.context import ReleaseContext
from assay.keyrelease.envelope import WrapAlgorithm, unwrap

_RSA_BITS: Final = 3072
_CURVE: Final = "P-256"
_PUBLIC: Final = ("kty", "crv", "x", "y", "n", "e")


@final
class ReleaseKey:
    """A key pair of one enclave. The private half is in no `repr`, file or message."""

    __slots__ = ("_key",)

    def __init__(self, key: RSAKey | ECKey) -> None:
        self._key = key

    @classmethod
    def generate(cls, algorithm: WrapAlgorithm = WrapAlgorithm.ECDH_ES_A256KW) -> Self:
        """A new key pair: on P-256, or RSA of 3072 bits."""
        if algorithm is WrapAlgorithm.RSA_OAEP_256:
            return cls(RSAKey.generate_key(_RSA_BITS, auto_kid=False))
        return cls(ECKey.generate_key(_CURVE, auto_kid=False))

    @property
    def jwk(self) -> dict[str, JsonValue]:
        """The public key, with `kid` and `use`."""
        public = self._key.as_dict(private=False)
        members: dict[str, JsonValue] = {
            name: str(public[name]) for name in _PUBLIC if name in public
        }
        return members | {"kid": self._key.thumbprint(), "use": "enc"}

    def runtime_data(self, context: ReleaseContext) -> bytes:
        """What the evidence vouches for, to be sent beside it as JSON; always the same bytes."""
        return encode_json_sorted({"keys": [self.jwk], "release": context.members()})

    def report_data(self, context: ReleaseContext) -> bytes:
        """The 64 bytes for the report: SHA-256 of the runtime data, and zeros."""
        return hashlib.sha256(self.runtime_data(context)).digest() + bytes(32)

    def unwrap(self, envelope: str, context: ReleaseContext) -> bytes:
        """The secret in the broker's answer; see `assay.keyrelease.envelope.unwrap`.

        Raises:
            ReleaseRefusedError: The answer is not one to this request.
        """
        return unwrap(envelope, self._key, context)
