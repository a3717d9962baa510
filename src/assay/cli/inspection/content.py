"""From a file's content to what it is and says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from assay.cli.evidence_file import decode_evidence
from assay.cli.inspection.certificates import certificates_members
from assay.cli.inspection.documents import collateral_members, token_members
from assay.cli.inspection.event_log import (
    event_log_members,
    ima_log_members,
    is_event_log,
    is_ima_log,
)
from assay.cli.inspection.quote import open_enclave_members, quote_members
from assay.encoding import EncodingError, JsonValue, parse_json_object
from assay.endorsements.bundle import BUNDLE_START, open_bundle
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.openenclave import are_endorsements, parse_any_endorsements
from assay.endorsements.stored import read_stored
from assay.errors import RequestError
from assay.evidence.format import AttestationType
from assay.evidence.openenclave import parse_evidence
from assay.evidence.sgx import parse_quote

_TOKEN: Final = re.compile(rb"\s*([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)\s*")
_DER_SEQUENCE: Final = b"\x30"

_ENVELOPE: Final = bytes.fromhex("03000000")
_ENVELOPE_SIZE: Final = 28
_REPORT: Final = bytes.fromhex("01000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a file is, as it says itself."""

    kind: str
    members: dict[str, JsonValue]

    @property
    def report(self) -> dict[str, JsonValue]:
        """As one JSON object."""
        return {"kind": self.kind, "verified": False, **self.members}


def inspect_content(content: bytes) -> Inspection:
    """Decode a file by its first bytes: certificates, a JSON document, a token, or evidence.

    Raises:
        MalformedEvidenceError: It is none of them.
        TokenError: It looks like a token and is none.
        RequestError: JSON that is no document of the protocols.
        CollateralUnavailableError: It is collateral, and malformed.
    """
    if content.startswith(BUNDLE_START):
        entries = open_bundle(content).entries
        return inspected_sets("bundle", [(one.source, one.collateral) for one in entries])
    if are_endorsements(content) and not _has_quote(content):
        return inspected_sets(
            "Open Enclave endorsements", [("the file", parse_any_endorsements(content))]
        )
    return _inspect_other(content)


def inspected_sets(kind: str, sets: Sequence[tuple[str, DcapCollateral]]) -> Inspection:
    """Sets of collateral, each with where it came from."""
    members: list[JsonValue] = [
        {"source": source, **collateral_members(collateral)} for source, collateral in sets
    ]
    return Inspection(kind=kind, members={"sets": members})


def _has_quote(content: bytes) -> bool:
    """Whether an Open Enclave structure is evidence: endorsements begin with the same numbers."""
    start = _ENVELOPE_SIZE if content.startswith(_ENVELOPE) else 0
    first = content[start : start + 4]
    # Behind a report's version and type comes a size of eight bytes, of which the upper half is
    # zero; endorsements have two counts there. A quote's first number has two halves.
    if first == _REPORT:
        return content[start + 12 : start + 16] == bytes(4)
    return not first.endswith(bytes(2))


def _inspect_other(content: bytes) -> Inspection:
    text = content.lstrip()
    if text.startswith(b"-----BEGIN"):
        return _certificates(text)
    if text.startswith(b"{"):
        return _json_document(text)
    if content.startswith(_DER_SEQUENCE) and not text.isascii():
        return _certificates(content)
    if (token := _TOKEN.fullmatch(content)) is not None:
        return Inspection(kind="token", members=token_members(token.group(1).decode("ascii")))
    return _evidence(content)


def _certificates(content: bytes) -> Inspection:
    return Inspection(kind="certificates", members={"certificates": certificates_members(content)})


def _evidence(content: bytes) -> Inspection:
    file = decode_evidence(content)
    members: dict[str, JsonValue] = {"encoding": file.encoding.value}
    if is_event_log(file.data):
        return Inspection(kind="TPM event log", members=members | event_log_members(file.data))
    if is_ima_log(file.data):
        return Inspection(kind="kernel's event log", members=members | ima_log_members(file.data))
    if file.attestation_type is AttestationType.OPEN_ENCLAVE:
        members |= open_enclave_members(parse_evidence(file.data))
        return Inspection(kind="Open Enclave evidence", members=members)
    members |= quote_members(parse_quote(file.data))
    return Inspection(kind="SGX quote", members=members)


def _json_document(content: bytes) -> Inspection:
    try:
        document = parse_json_object(content, "document")
    except EncodingError as error:
        raise RequestError(error.message) from error
    if "tcb_info" in document:
        return inspected_sets("collateral", [("the file", read_stored(content, origin="the file"))])
    token = document.get("token")
    if isinstance(token, str):
        return Inspection(kind="token", members=token_members(token))
    keys = document.get("keys")
    if isinstance(keys, list):
        return Inspection(kind="key set", members={"keys": [_key(key) for key in keys]})
    raise RequestError(
        "expected collateral, a token or a key set, got JSON with the members "
        f"{', '.join(document) or '(none)'}"
    )


def _key(key: JsonValue) -> JsonValue:
    if not isinstance(key, dict):
        return {"problem": "not an object"}
    return {name: key[name] for name in ("kid", "kty", "alg", "use") if name in key}
