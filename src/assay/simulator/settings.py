"""What a simulated platform is: its hardware, its versions, and what the maker says of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from assay.endorsements.platform import PckCa
from assay.endorsements.tcb import TcbStatus
from assay.simulator.quote import FLAG_INITIALIZED, FLAG_PROVISION_KEY
from assay.simulator.tcb import (
    INTEL_QE_MR_SIGNER,
    QE_ISV_PROD_ID,
    EvaluationSet,
    QeLevel,
    TcbLevel,
)

_COMPONENTS: Final = (14, 14, 3, 3, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
_PCESVN: Final = 13
_QE_SVN: Final = 8
_YEAR: Final = timedelta(days=365)

STANDARD_NUMBER: Final = 20
"""The TCB evaluation data number that a platform's collateral carries unless asked for another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotingEnclave:
    """The quoting enclave as its report shows it."""

    mr_enclave: bytes = bytes(range(0x60, 0x80))
    mr_signer: bytes = INTEL_QE_MR_SIGNER
    isv_prod_id: int = QE_ISV_PROD_ID
    isv_svn: int = _QE_SVN
    flags: int = FLAG_INITIALIZED | FLAG_PROVISION_KEY
    misc_select: int = 0
    auth_data: bytes = bytes(range(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """Everything about a simulated platform that is not a key or a certificate."""

    created_at: datetime
    """The certificates are valid from a year before on."""

    levels: tuple[TcbLevel, ...]
    """Of the TCB info, highest first."""

    qe_levels: tuple[QeLevel, ...]
    """Of the QE identity, highest first."""

    evaluation_sets: tuple[EvaluationSet, ...]
    """The TCB evaluation data numbers that the service serves, highest first."""

    standard_number: int = STANDARD_NUMBER
    """The one among them that it serves when none is asked for."""

    tcb_info_version: int = 3
    ca: PckCa = PckCa.PLATFORM
    fmspc: bytes = bytes.fromhex("00606a000000")
    pceid: bytes = bytes(2)
    ppid: bytes = bytes(range(16))
    platform_instance_id: bytes = bytes(range(16, 32))
    """Only the certificates of the Platform CA carry it."""

    sgx_type: int | None = None
    """By default 1 (scalable) under the Platform CA and 0 (standard) under the Processor CA."""

    components: tuple[int, ...] = _COMPONENTS
    """SVNs of the 16 TCB components, as the PCK certificate states them."""

    pcesvn: int = _PCESVN
    quoting_enclave: QuotingEnclave = QuotingEnclave()
    root_crl_revoked: tuple[int, ...] = ()
    """Serial numbers on the root's revocation list."""

    pck_crl_revoked: tuple[int, ...] = ()
    """Serial numbers on the PCK CA's revocation list."""

    @property
    def cpu_svn(self) -> bytes:
        """The component SVNs as 16 bytes: what every real platform shows as its CPUSVN."""
        return bytes(self.components)


def platform_levels(
    status: TcbStatus,
    at: datetime,
    *,
    components: tuple[int, ...] = _COMPONENTS,
    pcesvn: int = _PCESVN,
    advisory_ids: tuple[str, ...] = (),
) -> tuple[TcbLevel, ...]:
    """TCB levels that give a platform of these versions `status`.

    Where that is not up to date, there is a higher level which would be, so that a shortfall can
    be named.
    """
    date = recovery_date(at)
    own = TcbLevel(
        components=components,
        pcesvn=pcesvn,
        status=status,
        tcb_date=date,
        advisory_ids=advisory_ids,
    )
    higher = TcbLevel(
        components=tuple(_raised(components)),
        pcesvn=pcesvn,
        status=TcbStatus.UP_TO_DATE,
        tcb_date=date,
    )
    lower = TcbLevel(
        components=tuple(svn // 2 for svn in components),
        pcesvn=pcesvn // 2,
        status=TcbStatus.OUT_OF_DATE,
        tcb_date=date - 3 * _YEAR,
        advisory_ids=("INTEL-SA-00334", "INTEL-SA-00477"),
    )
    return (own, lower) if status is TcbStatus.UP_TO_DATE else (higher, own, lower)


def quoting_enclave_levels(
    status: TcbStatus,
    at: datetime,
    *,
    isv_svn: int = _QE_SVN,
    advisory_ids: tuple[str, ...] = (),
) -> tuple[QeLevel, ...]:
    """QE identity levels that give a quoting enclave of `isv_svn` `status`."""
    date = recovery_date(at)
    own = QeLevel(isv_svn=isv_svn, status=status, tcb_date=date, advisory_ids=advisory_ids)
    higher = QeLevel(isv_svn=isv_svn + 1, status=TcbStatus.UP_TO_DATE, tcb_date=date)
    lower = QeLevel(
        isv_svn=isv_svn // 2,
        status=TcbStatus.OUT_OF_DATE,
        tcb_date=date - 3 * _YEAR,
        advisory_ids=("INTEL-SA-00477",),
    )
    return (own, lower) if status is TcbStatus.UP_TO_DATE else (higher, own, lower)


def evaluation_sets(at: datetime, numbers: Iterable[int]) -> tuple[EvaluationSet, ...]:
    """One recovery event half a year after the other; the standard number's is a year old."""
    return tuple(
        EvaluationSet(
            number=number,
            recovery_date=event,
            tcb_date=event + timedelta(days=1),
        )
        for number in numbers
        for event in [recovery_date(at) + (number - STANDARD_NUMBER) * _YEAR / 2]
    )


def recovery_date(at: datetime) -> datetime:
    """Of the TCB recovery event that was standard at `at`: a year old."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - _YEAR


def _raised(components: tuple[int, ...]) -> Iterable[int]:
    # One component is enough to be above; the first that can still grow.
    grows = next(index for index, svn in enumerate(components) if svn < 255)  # noqa: PLR2004
    return (svn + (index == grows) for index, svn in enumerate(components))
