"""TCB info, QE identity and the list of evaluation numbers, as Intel's service words them.

The documents are compact JSON; what is signed are exactly these bytes.

Source: Intel PCS API v4, "Get SGX TCB Info", "Get SGX Quoting Enclave Identity"; v3 for version
2 of the TCB info.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from assay.encoding import JsonValue
from assay.endorsements.tcb import TcbStatus

INTEL_QE_MR_SIGNER: Final = bytes.fromhex(
    "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff"
)
QE_ISV_PROD_ID: Final = 1

_VERSION_2: Final = 2
_VALIDITY: Final = timedelta(days=30)
_COMPONENT_KINDS: Final = (
    {"category": "BIOS", "type": "Early Microcode Update"},
    {"category": "OS/VMM", "type": "SGX Late Microcode Update"},
    {"category": "OS/VMM", "type": "TXT SINIT"},
    {"category": "BIOS"},
)
"""What Intel says of the first components; the others have no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbLevel:
    """A level of the platform's TCB."""

    components: tuple[int, ...]
    pcesvn: int
    status: TcbStatus
    tcb_date: datetime
    advisory_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QeLevel:
    """A level of the quoting enclave."""

    isv_svn: int
    status: TcbStatus
    tcb_date: datetime
    advisory_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """A TCB evaluation data number, and the recovery event that it belongs to."""

    number: int
    recovery_date: datetime
    tcb_date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """When a document was issued, and when the next one is due."""

    issued: datetime
    next_update: datetime

    @classmethod
    def around(cls, at: datetime) -> Validity:
        """Of a document that the service would hand out at `at`: a day old at most."""
        issued = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(issued=issued, next_update=issued + _VALIDITY)


def tcb_info(
    *,
    version: int,
    number: int,
    fmspc: bytes,
    pceid: bytes,
    levels: tuple[TcbLevel, ...],
    validity: Validity,
) -> dict[str, JsonValue]:
    """The members of an SGX TCB info: version 2, or else as version 3."""
    identity: dict[str, JsonValue] = {} if version == _VERSION_2 else {"id": "SGX"}
    level_members = _level_v2 if version == _VERSION_2 else _level_v3
    return identity | {
        "version": version,
        **_dates(validity),
        "fmspc": fmspc.hex().upper(),
        "pceId": pceid.hex().upper(),
        "tcbType": 0,
        "tcbEvaluationDataNumber": number,
        "tcbLevels": [{"tcb": level_members(level), **_judgement(level)} for level in levels],
    }


def qe_identity(
    *, number: int, levels: tuple[QeLevel, ...], validity: Validity
) -> dict[str, JsonValue]:
    """The members of the identity of Intel's SGX quoting enclave, version 2."""
    return {
        "id": "QE",
        "version": 2,
        **_dates(validity),
        "tcbEvaluationDataNumber": number,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": INTEL_QE_MR_SIGNER.hex().upper(),
        "isvprodid": QE_ISV_PROD_ID,
        "tcbLevels": [{"tcb": {"isvsvn": level.isv_svn}, **_judgement(level)} for level in levels],
    }


def evaluation_numbers(sets: tuple[EvaluationSet, ...], validity: Validity) -> dict[str, JsonValue]:
    """The members of the list of TCB evaluation data numbers, highest first."""
    return {
        "id": "SGX",
        "version": 1,
        **_dates(validity),
        "tcbEvalNumbers": [
            {
                "tcbEvaluationDataNumber": entry.number,
                "tcbRecoveryEventDate": timestamp(entry.recovery_date),
                "tcbDate": timestamp(entry.tcb_date),
            }
            for entry in sets
        ],
    }


def signed_body(member: str, document: bytes, signature: bytes) -> bytes:
    """The service's answer: the signed object under its name, then the signature in hexadecimal."""
    return b'{"%s":%s,"signature":"%s"}' % (
        member.encode(),
        document,
        signature.hex().encode(),
    )


def timestamp(instant: datetime) -> str:
    """ISO 8601 in UTC to the second, as Intel writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _dates(validity: Validity) -> dict[str, JsonValue]:
    return {
        "issueDate": timestamp(validity.issued),
        "nextUpdate": timestamp(validity.next_update),
    }


def _level_v3(level: TcbLevel) -> dict[str, JsonValue]:
    kinds = (*_COMPONENT_KINDS, *({},) * len(level.components))
    return {
        "sgxtcbcomponents": [
            {"svn": svn, **kind} for svn, kind in zip(level.components, kinds, strict=False)
        ],
        "pcesvn": level.pcesvn,
    }


def _level_v2(level: TcbLevel) -> dict[str, JsonValue]:
    components: dict[str, JsonValue] = {
        f"sgxtcbcomp{number:02}svn": svn for number, svn in enumerate(level.components, start=1)
    }
    return components | {"pcesvn": level.pcesvn}


def _judgement(level: TcbLevel | QeLevel) -> dict[str, JsonValue]:
    members: dict[str, JsonValue] = {
        "tcbDate": timestamp(level.tcb_date),
        "tcbStatus": level.status.value,
    }
    if level.advisory_ids:
        members["advisoryIDs"] = list(level.advisory_ids)
    return members
