"""Collateral, key sets and tokens as members to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from assay.cli.inspection.certificates import certificates_members, crl_members
from assay.encoding import EncodingError, JsonValue
from assay.endorsements.collateral import DcapCollateral
from assay.endorsements.tcb import EnclaveIdentity, TcbInfo, parse_enclave_identity, parse_tcb_info
from assay.errors import AssayError, MalformedEvidenceError
from assay.token import read_unverified
from assay.x509 import rfc3339

_TIMES: Final = ("iat", "nbf", "exp")


def collateral_members(collateral: DcapCollateral) -> dict[str, JsonValue]:
    """The nine documents; one that does not parse shows its problem instead."""
    return {
        "sha256": collateral.digest.hex(),
        "tcb_info": _attempt(lambda: _tcb_info(parse_tcb_info(collateral.tcb_info))),
        "qe_identity": _attempt(
            lambda: _qe_identity(parse_enclave_identity(collateral.qe_identity))
        ),
        "root_ca_crl": _attempt(lambda: crl_members(collateral.root_ca_crl)),
        "pck_crl": _attempt(lambda: crl_members(collateral.pck_crl)),
        "tcb_info_issuer_chain": _chain(collateral.tcb_info_issuer_chain),
        "qe_identity_issuer_chain": _chain(collateral.qe_identity_issuer_chain),
        "pck_crl_issuer_chain": _chain(collateral.pck_crl_issuer_chain),
    }


def token_members(token: str) -> dict[str, JsonValue]:
    """A token's header and claims, with its times in words.

    Raises:
        TokenError: Not a token.
    """
    content = read_unverified(token)
    times = {name: _moment(content.claims[name]) for name in _TIMES if name in content.claims}
    return {"header": dict(content.header), "claims": dict(content.claims), "times": times}


def _moment(value: JsonValue) -> JsonValue:
    try:
        return rfc3339(value) if type(value) is int else None
    except (ValueError, OverflowError, OSError):
        return None


def _attempt(read: Callable[[], dict[str, JsonValue]]) -> JsonValue:
    try:
        return read()
    except (EncodingError, MalformedEvidenceError) as error:
        return {"problem": error.message}


def _chain(data: bytes) -> JsonValue:
    try:
        return certificates_members(data.rstrip(b"\0"))
    except AssayError as error:
        return {"problem": error.message}


def _tcb_info(info: TcbInfo) -> dict[str, JsonValue]:
    return {
        "tee": info.tee,
        "version": info.version,
        "fmspc": info.fmspc.hex(),
        "pceid": info.pceid.hex(),
        "issue_date": _time(info.issue_date),
        "next_update": _time(info.next_update),
        "evaluation_number": info.evaluation_number,
        "levels": len(info.levels),
    }


def _qe_identity(identity: EnclaveIdentity) -> dict[str, JsonValue]:
    return {
        "id": identity.id,
        "issue_date": _time(identity.issue_date),
        "next_update": _time(identity.next_update),
        "evaluation_number": identity.evaluation_number,
        "mr_signer": identity.mr_signer.hex(),
        "levels": len(identity.levels),
    }


def _time(moment: datetime) -> str:
    return rfc3339(int(moment.timestamp()))
