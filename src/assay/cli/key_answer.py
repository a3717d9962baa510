"""What the commands about signing keys print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey, RSAKey

from assay.cli.render import Answer
from assay.encoding import JsonValue
from assay.keys import SigningKey
from assay.service.key_schedule import KeySchedule
from assay.store import KeyState, SigningKeyRecord

_NEXT: Final[dict[KeyState, Callable[[KeySchedule, SigningKeyRecord], datetime | None]]] = {
    KeyState.PREPARED: KeySchedule.signs_at,
    KeyState.ACTIVE: KeySchedule.successor_at,
    KeyState.RETIRED: KeySchedule.gone_at,
}
_WAITS_FOR: Final = {
    KeyState.PREPARED.value: "signs from",
    KeyState.ACTIVE.value: "successor from",
    KeyState.RETIRED.value: "gone after",
}
_COLUMNS: Final = ("instance", "kid", "algorithm", "custody", "state")


def next_members(key: SigningKeyRecord, schedule: KeySchedule) -> dict[str, JsonValue]:
    """When something happens to a key: it signs, it gets a successor, it is gone."""
    instant = _NEXT[key.state](schedule, key)
    return {"next_at": None if instant is None else instant.isoformat()}


def print_keys(keys: Iterable[Any]) -> None:
    """Keys in a table, for people."""
    rows = list(keys)
    widths = {name: max(len(row[name]) for row in rows) for name in _COLUMNS if rows}
    answer = Answer()
    for row in rows:
        waits = f"{_WAITS_FOR[row['state']]} {row['next_at']}" if row["next_at"] else ""
        columns = (f"{row[name]:<{widths[name]}}" for name in _COLUMNS)
        answer.line("  ".join((*columns, waits)).rstrip())


def pem_form(key: SigningKey) -> tuple[str, JsonValue]:
    """The bare public key as PEM: as text, and as JSON has it."""
    text = key.spki_pem.decode("ascii")
    return text, text


def jwk_form(key: SigningKey) -> tuple[str, JsonValue]:
    """The bare public key as a JWK."""
    public = key.public_key
    bare = RSAKey(public, public) if isinstance(public, rsa.RSAPublicKey) else ECKey(public, public)
    members: dict[str, JsonValue] = json.loads(json.dumps(bare.as_dict(private=False)))
    jwk = {**members, "kid": key.kid, "alg": key.algorithm.value, "use": "sig"}
    return json.dumps(jwk, indent=2) + "\n", jwk


def chain_form(chain: Sequence[bytes]) -> tuple[str, JsonValue]:
    """Certificates as PEM, leaf first."""
    texts = [
        x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM).decode("ascii")
        for one in chain
    ]
    return "".join(texts), [*texts]
