"""TCB evaluation: which level a platform and its QE reach, and what they are short of.

Source: Intel SGX PCS API v4, "Get TCB Info" (TCB status determination); Intel SGX/TDX DCAP Quote
Verification Library, `convergeTcbStatuses`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from assay.endorsements.tcb import (
    EnclaveIdentity,
    EnclaveTcbLevel,
    TcbInfo,
    TcbLevel,
    TcbStatus,
)
from assay.errors import Finding, UntrustedEvidenceError
from assay.x509 import SgxExtensions

_OUT_OF_DATE: Final = frozenset({TcbStatus.OUT_OF_DATE, TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED})
_QE_STATUSES: Final = frozenset(
    {
        TcbStatus.UP_TO_DATE,
        TcbStatus.CONFIGURATION_NEEDED,
        TcbStatus.OUT_OF_DATE,
        TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED,
        TcbStatus.REVOKED,
    }
)
"""Intel defines no other for enclaves: convergence would pass a further one over in silence."""

_CONFIGURATION: Final = frozenset(
    {TcbStatus.CONFIGURATION_NEEDED, TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED}
)


_SHOWN_CHARACTERS: Final = 64
"""How much of an unknown status an error shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """One component that is older than a level wants it."""

    component: str
    actual: int
    needed: int

    def __str__(self) -> str:
        return f"{self.component} is {self.actual}, {self.needed} needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbAppraisal:
    """How good a platform's TCB is, as of one set of collateral."""

    status: TcbStatus
    """Platform and QE converged."""

    platform_status: TcbStatus
    qe_status: TcbStatus
    advisory_ids: tuple[str, ...]
    """Of the platform's level, then of the QE's, without repeats."""

    tcb_date: datetime
    """The older of the dates of both levels."""

    tcb_info_number: int
    """`tcbEvaluationDataNumber` of the TCB info."""

    qe_identity_number: int
    """`tcbEvaluationDataNumber` of the QE identity."""

    shortfalls: tuple[Shortfall, ...]
    """What keeps the platform and its QE from the best level; empty where they reach it."""

    tcb_date_text: str = field(init=False)
    """The TCB date as RFC 3339."""

    evaluation_number: int = field(init=False)
    """The lower of both numbers, as Intel's QvE reports it."""

    def __post_init__(self) -> None:
        # Once: an appraisal of the TCB serves every quote of its platform.
        date = self.tcb_date.strftime("%Y-%m-%dT%H:%M:%SZ")
        object.__setattr__(self, "tcb_date_text", date)
        number = min(self.tcb_info_number, self.qe_identity_number)
        object.__setattr__(self, "evaluation_number", number)


def appraise_tcb(
    extensions: SgxExtensions, qe_isv_svn: int, tcb_info: TcbInfo, qe_identity: EnclaveIdentity
) -> TcbAppraisal:
    """Evaluate an SGX platform (PCK certificate) and its QE (report).

    Raises:
        UntrustedEvidenceError: Below every level (`tcb_not_supported`), a status that we do not
            know (`tcb_unrecognized`), or a revoked level (`tcb_revoked`).
    """
    platform = match_platform_level(extensions, tcb_info)
    qe = match_enclave_level(qe_isv_svn, qe_identity)
    platform_status = _status(platform.status, frozenset(TcbStatus), "dcap.tcb_info")
    _check_not_revoked(platform_status, "platform")
    qe_status = _status(qe.status, _QE_STATUSES, "dcap.qe_identity")
    _check_not_revoked(qe_status, "QE")
    status = converge(platform_status, [qe_status])
    return TcbAppraisal(
        status=status,
        platform_status=platform_status,
        qe_status=qe_status,
        advisory_ids=tuple(dict.fromkeys((*platform.advisory_ids, *qe.advisory_ids))),
        tcb_date=min(platform.date, qe.date),
        tcb_info_number=tcb_info.evaluation_number,
        qe_identity_number=qe_identity.evaluation_number,
        shortfalls=(
            *_platform_shortfalls(extensions, tcb_info, tcb_info.levels[0]),
            *_qe_shortfalls(qe_isv_svn, qe_identity.levels[0]),
        ),
    )


def match_platform_level(extensions: SgxExtensions, tcb_info: TcbInfo) -> TcbLevel:
    """The highest level that the platform reaches in all 16 components and in PCESVN.

    Raises:
        UntrustedEvidenceError: None (`tcb_not_supported`).
    """
    for level in tcb_info.levels:
        if extensions.pcesvn >= level.pcesvn and all(
            actual >= needed
            for actual, needed in zip(extensions.components, level.components, strict=True)
        ):
            return level
    lowest = tcb_info.levels[-1]
    shortfalls = _platform_shortfalls(extensions, tcb_info, lowest)
    raise _refused(
        "dcap.tcb.tcb_not_supported",
        "a platform at one of the levels of its TCB info",
        f"below all of them: {_listed(shortfalls)}",
    )


def match_enclave_level(isv_svn: int, identity: EnclaveIdentity) -> EnclaveTcbLevel:
    """The highest level of an enclave identity that `isv_svn` reaches.

    Raises:
        UntrustedEvidenceError: None (`tcb_not_supported`).
    """
    for level in identity.levels:
        if isv_svn >= level.isv_svn:
            return level
    raise _refused(
        "dcap.tcb.tcb_not_supported",
        f"a QE at one of the levels of its identity (ISVSVN {identity.levels[-1].isv_svn} or more)",
        f"ISVSVN {isv_svn}",
    )


def converge(platform: TcbStatus, components: Iterable[TcbStatus]) -> TcbStatus:
    """The status of a platform whose components (QE, TDX module) have statuses of their own.

    Not the worst by some order: a platform that needs configuration and has an outdated QE is
    `OutOfDateConfigurationNeeded`, so that neither fact is lost.
    """
    statuses = set(components)
    if platform is TcbStatus.REVOKED or TcbStatus.REVOKED in statuses:
        return TcbStatus.REVOKED
    if not statuses & _OUT_OF_DATE:
        return platform
    if platform in _CONFIGURATION or platform is TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED:
        return TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED
    return TcbStatus.OUT_OF_DATE


def _status(text: str, allowed: frozenset[TcbStatus], check: str) -> TcbStatus:
    for status in allowed:
        if text == status.value:
            return status
    raise _refused(
        f"{check}.tcb_unrecognized",
        f"one of {', '.join(sorted(allowed))}",
        repr(text[:_SHOWN_CHARACTERS]),
    )


def _check_not_revoked(status: TcbStatus, whose: str) -> None:
    if status is TcbStatus.REVOKED:
        raise _refused(
            "dcap.tcb.tcb_revoked", "a TCB level that is not revoked", f"the {whose}'s is Revoked"
        )


def _platform_shortfalls(
    extensions: SgxExtensions, tcb_info: TcbInfo, level: TcbLevel
) -> tuple[Shortfall, ...]:
    components = tuple(
        Shortfall(component=_component_name(index, name), actual=actual, needed=needed)
        for index, (actual, needed, name) in enumerate(
            zip(extensions.components, level.components, tcb_info.component_names, strict=True),
            start=1,
        )
        if actual < needed
    )
    if extensions.pcesvn >= level.pcesvn:
        return components
    pce = Shortfall(component="PCESVN", actual=extensions.pcesvn, needed=level.pcesvn)
    return (*components, pce)


def _qe_shortfalls(isv_svn: int, level: EnclaveTcbLevel) -> tuple[Shortfall, ...]:
    if isv_svn >= level.isv_svn:
        return ()
    return (Shortfall(component="QE ISVSVN", actual=isv_svn, needed=level.isv_svn),)


def _component_name(index: int, name: str) -> str:
    return f"SGX TCB component {index:02d}" + (f" ({name})" if name else "")


def _listed(shortfalls: Iterable[Shortfall]) -> str:
    return "; ".join(map(str, shortfalls))


def _refused(check: str, expected: str, actual: str) -> UntrustedEvidenceError:
    return UntrustedEvidenceError(
        f"expected {expected}, got {actual}",
        findings=[Finding(check=check, expected=expected, actual=actual)],
    )
