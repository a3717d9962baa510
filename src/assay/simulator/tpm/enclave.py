"""Reports of a simulated VBS enclave, and requests that come out of it.

Source: Windows SDK, ntenclv.h.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from assay.encoding import encode_base64url, encode_json
from assay.simulator.tpm.request import RequestDraft

_MODULE: Final = "module.dll".encode("utf-16-le") + bytes(2)
_SALT_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveDraft:
    """A report before it is signed."""

    data: bytes
    """64 bytes that the enclave chose."""

    version: int = 1
    scheme: int = 1
    report_version: int = 1
    svn: int = 7
    flags: int = 0
    modules: bytes = field(default_factory=lambda: module(1, _MODULE))

    def sign(self, key: rsa.RSAPrivateKey) -> bytes:
        """The package."""
        numbers = (self.svn, 2, 1, self.flags, 3, 0)
        identity = b"\x11" * 32 + b"\x22" * 32 + b"\x33" * 32 + b"\x44" * 16 + b"\x55" * 16
        body = self.data + identity + b"".join(map(_u32, numbers)) + self.modules
        statement = _u32(8 + len(body)) + _u32(self.report_version) + body
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), _SALT_BYTES)
        signature = key.sign(statement, pss, hashes.SHA256())
        size = 24 + len(statement) + len(signature)
        head = (size, self.version, self.scheme, len(statement), len(signature), 0)
        return b"".join(map(_u32, head)) + statement + signature


def module(kind: int, content: bytes) -> bytes:
    """What a report says of a module, or of something else."""
    return _u32(kind) + _u32(8 + len(content)) + content


def enclave_request(draft: RequestDraft, key: rsa.RSAPrivateKey, **changes: Any) -> RequestDraft:  # noqa: ANN401  of the report
    """The same request out of an enclave whose report `key` signs."""
    inner = draft.payload["att_data"]
    data = hashlib.sha512(encode_json(inner)).digest()
    report = encode_base64url(EnclaveDraft(**{"data": data} | changes).sign(key))
    first = draft.version == "attReq"
    payload = {
        "att_type": "vbs",
        "att_data": {
            "report_signed": inner,
            "vsm_report": report if first else {"enclave": {"report": report}},
        },
    }
    return RequestDraft(payload=payload, key=draft.key, version=draft.version)


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")
