"""TCB info and enclave identities: Intel's statements of which versions are how good.

Parsed only after their signature has been verified over the same bytes.

Source: Intel SGX PCS API v4, "Get TCB Info" and "Get Enclave Identity"; v3 for TCB info version 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final, TypeVar

import msgspec

from assay.encoding import EncodingError, decode_hex, parse_json_object

COMPONENT_COUNT: Final = 16
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_MAX_LEVELS = 1024
"""Real documents have under 30."""


class TcbStatus(StrEnum):
    """How good a TCB level is, in Intel's words."""

    UP_TO_DATE = "UpToDate"
    SW_HARDENING_NEEDED = "SWHardeningNeeded"
    CONFIGURATION_NEEDED = "ConfigurationNeeded"
    CONFIGURATION_AND_SW_HARDENING_NEEDED = "ConfigurationAndSWHardeningNeeded"
    OUT_OF_DATE = "OutOfDate"
    OUT_OF_DATE_CONFIGURATION_NEEDED = "OutOfDateConfigurationNeeded"
    REVOKED = "Revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbLevel:
    """One row of a TCB info: the lowest versions that deserve its status."""

    components: bytes
    """16 SVNs of the SGX TCB components, one byte each."""

    pcesvn: int
    tdx_components: bytes | None
    """16 SVNs of the TDX TCB components; `None` in SGX TCB infos."""

    status: str
    """As served; `TcbStatus` knows it or the evaluation refuses."""

    date: datetime
    advisory_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveTcbLevel:
    """One row of an enclave identity: the lowest ISVSVN that deserves its status."""

    isv_svn: int
    status: str
    date: datetime
    advisory_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbInfo:
    """The TCB levels of one family of platforms."""

    tee: str
    """`SGX` or `TDX`."""

    version: int
    issue_date: datetime
    next_update: datetime
    fmspc: bytes
    pceid: bytes
    evaluation_number: int
    levels: tuple[TcbLevel, ...]
    """Highest first, whatever the order in the document."""

    component_names: tuple[str, ...]
    """What Intel calls each of the 16 SGX components; empty where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveIdentity:
    """What an Intel enclave (the QE) must look like."""

    id: str
    """`QE`, `TD_QE`, `QVE` or `QAE`."""

    issue_date: datetime
    next_update: datetime
    evaluation_number: int
    misc_select: int
    misc_select_mask: int
    attributes: bytes
    attributes_mask: bytes
    mr_signer: bytes
    isv_prod_id: int
    levels: tuple[EnclaveTcbLevel, ...]
    """Highest ISVSVN first, whatever the order in the document."""


_LevelT = TypeVar("_LevelT", TcbLevel, EnclaveTcbLevel)

_Svn = Annotated[int, msgspec.Meta(ge=0, le=255)]
_U16 = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Component(msgspec.Struct, frozen=True):
    svn: _Svn
    category: str = ""
    type: str = ""


_Components = Annotated[
    list[_Component], msgspec.Meta(min_length=COMPONENT_COUNT, max_length=COMPONENT_COUNT)
]


class _Tcb(msgspec.Struct, frozen=True):
    sgxtcbcomponents: _Components
    pcesvn: _U16
    tdxtcbcomponents: _Components | None = None


class _Level(msgspec.Struct, frozen=True):
    tcb: dict[str, Any]
    tcbDate: str  # noqa: N815  Intel's spelling, here and below
    tcbStatus: str  # noqa: N815
    advisoryIDs: list[str] = []  # noqa: N815


class _TcbInfo(msgspec.Struct, frozen=True):
    version: int
    issueDate: str  # noqa: N815
    nextUpdate: str  # noqa: N815
    fmspc: str
    pceId: str  # noqa: N815
    tcbType: int  # noqa: N815
    tcbEvaluationDataNumber: _Number  # noqa: N815
    tcbLevels: Annotated[list[_Level], msgspec.Meta(min_length=1, max_length=_MAX_LEVELS)]  # noqa: N815
    id: str | None = None


class _EnclaveTcb(msgspec.Struct, frozen=True):
    isvsvn: _U16


class _EnclaveLevel(msgspec.Struct, frozen=True):
    tcb: _EnclaveTcb
    tcbDate: str  # noqa: N815
    tcbStatus: str  # noqa: N815
    advisoryIDs: list[str] = []  # noqa: N815


class _EnclaveIdentity(msgspec.Struct, frozen=True):
    id: str
    version: int
    issueDate: str  # noqa: N815
    nextUpdate: str  # noqa: N815
    tcbEvaluationDataNumber: _Number  # noqa: N815
    miscselect: str
    miscselectMask: str  # noqa: N815
    attributes: str
    attributesMask: str  # noqa: N815
    mrsigner: str
    isvprodid: _U16
    tcbLevels: Annotated[  # noqa: N815
        list[_EnclaveLevel], msgspec.Meta(min_length=1, max_length=_MAX_LEVELS)
    ]


_SGX_ONLY_VERSION: Final = 2
_CURRENT_VERSION: Final = 3
_IDENTITY_VERSION: Final = 2
_V2_COMPONENTS = tuple(f"sgxtcbcomp{number:02d}svn" for number in range(1, COMPONENT_COUNT + 1))


def parse_tcb_info(document: bytes) -> TcbInfo:
    """Parse the inner `tcbInfo` object, version 2 or 3.

    Raises:
        EncodingError: Not strict JSON, not of the schema, or of an unknown version or `tcbType`.
    """
    wire = _convert(parse_json_object(document, "TCB info"), _TcbInfo, "TCB info")
    if wire.version not in {_SGX_ONLY_VERSION, _CURRENT_VERSION}:
        raise EncodingError(f"TCB info: expected version 2 or 3, got {wire.version}")
    if (wire.id is None) != (wire.version == _SGX_ONLY_VERSION):
        raise EncodingError("TCB info: expected an id in version 3 and none in version 2")
    if wire.tcbType != 0:
        raise EncodingError(f"TCB info: expected tcbType 0, got {wire.tcbType}")
    rows = [_read_level(level, wire.version) for level in wire.tcbLevels]
    levels = _ranked([level for level, _ in rows], _level_key, "TCB info")
    return TcbInfo(
        tee="SGX" if wire.id is None else wire.id,
        version=wire.version,
        issue_date=_time(wire.issueDate, "issueDate"),
        next_update=_time(wire.nextUpdate, "nextUpdate"),
        fmspc=decode_hex(wire.fmspc, "TCB info fmspc", size=6),
        pceid=decode_hex(wire.pceId, "TCB info pceId", size=2),
        evaluation_number=wire.tcbEvaluationDataNumber,
        levels=levels,
        component_names=rows[0][1],
    )


def parse_enclave_identity(document: bytes) -> EnclaveIdentity:
    """Parse the inner `enclaveIdentity` object, version 2.

    Raises:
        EncodingError: Not strict JSON, not of the schema, or of another version.
    """
    what = "enclave identity"
    wire = _convert(parse_json_object(document, what), _EnclaveIdentity, what)
    if wire.version != _IDENTITY_VERSION:
        raise EncodingError(f"{what}: expected version 2, got {wire.version}")
    levels = [
        EnclaveTcbLevel(
            isv_svn=level.tcb.isvsvn,
            status=level.tcbStatus,
            date=_time(level.tcbDate, "tcbDate"),
            advisory_ids=tuple(level.advisoryIDs),
        )
        for level in wire.tcbLevels
    ]
    return EnclaveIdentity(
        id=wire.id,
        issue_date=_time(wire.issueDate, "issueDate"),
        next_update=_time(wire.nextUpdate, "nextUpdate"),
        evaluation_number=wire.tcbEvaluationDataNumber,
        # Intel writes the four bytes in memory order.
        misc_select=int.from_bytes(decode_hex(wire.miscselect, "miscselect", size=4), "little"),
        misc_select_mask=int.from_bytes(
            decode_hex(wire.miscselectMask, "miscselectMask", size=4), "little"
        ),
        attributes=decode_hex(wire.attributes, "attributes", size=16),
        attributes_mask=decode_hex(wire.attributesMask, "attributesMask", size=16),
        mr_signer=decode_hex(wire.mrsigner, "mrsigner", size=32),
        isv_prod_id=wire.isvprodid,
        levels=_ranked(levels, lambda level: level.isv_svn, what),
    )


def _read_level(level: _Level, version: int) -> tuple[TcbLevel, tuple[str, ...]]:
    if version == _SGX_ONLY_VERSION:
        components, pcesvn, names = _read_v2_tcb(level.tcb)
        tdx_components = None
    else:
        tcb = _convert(level.tcb, _Tcb, "TCB level")
        components = bytes(component.svn for component in tcb.sgxtcbcomponents)
        pcesvn = tcb.pcesvn
        tdx_components = (
            bytes(component.svn for component in tcb.tdxtcbcomponents)
            if tcb.tdxtcbcomponents is not None
            else None
        )
        names = tuple(
            ", ".join(filter(None, (component.category, component.type)))
            for component in tcb.sgxtcbcomponents
        )
    return (
        TcbLevel(
            components=components,
            pcesvn=pcesvn,
            tdx_components=tdx_components,
            status=level.tcbStatus,
            date=_time(level.tcbDate, "tcbDate"),
            advisory_ids=tuple(level.advisoryIDs),
        ),
        names,
    )


def _read_v2_tcb(tcb: Mapping[str, Any]) -> tuple[bytes, int, tuple[str, ...]]:
    missing = [name for name in (*_V2_COMPONENTS, "pcesvn") if name not in tcb]
    if missing:
        raise EncodingError(f"TCB level: expected {missing[0]}, got none")
    components = bytes(_convert(tcb[name], _Svn, name) for name in _V2_COMPONENTS)
    return components, _convert(tcb["pcesvn"], _U16, "pcesvn"), ("",) * COMPONENT_COUNT


def _ranked(
    levels: Sequence[_LevelT], versions: Callable[[_LevelT], Any], what: str
) -> tuple[_LevelT, ...]:
    """Highest first; where two levels contradict each other, their order would decide."""
    ranked = tuple(sorted(levels, key=versions, reverse=True))
    for level, following in pairwise(ranked):
        if versions(level) == versions(following) and level != following:
            raise EncodingError(f"{what}: expected one statement on each TCB level, got two")
    return ranked


def _level_key(level: TcbLevel) -> tuple[bytes, int, bytes]:
    return level.components, level.pcesvn, level.tdx_components or b""


def _convert(value: Any, kind: Any, what: str) -> Any:  # noqa: ANN401  msgspec types are values
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise EncodingError(f"{what}: {error}") from error


def _time(text: str, field: str) -> datetime:
    try:
        moment = datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        moment = None
    # `strptime` accepts `2024-1-2T3:4:5Z`; the round trip does not.
    if moment is None or moment.strftime(_TIME_FORMAT) != text:
        raise EncodingError(f"{field}: expected a time as 2024-05-15T00:00:00Z")
    return moment
