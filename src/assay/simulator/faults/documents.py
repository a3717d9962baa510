"""Faults inside the TCB info and the QE identity, all signed as they should be; and of levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from assay.endorsements.tcb import TcbStatus
from assay.simulator.faults.attempt import Attempt, Fault, with_collateral, with_platform
from assay.simulator.faults.certificates import with_extension
from assay.simulator.faults.collateral import (
    QE_IDENTITY,
    TCB_INFO,
    Document,
    signed_members,
    signed_text,
)
from assay.simulator.sgx import SimulatedPlatform, pck_extension

_Members = dict[str, Any]
_Apply = Callable[[SimulatedPlatform], Attempt]

_NOT_SUPPORTED: Final = "dcap.tcb.tcb_not_supported"
_REVOKED: Final = "dcap.tcb.tcb_revoked"
_NESTING: Final = 10_000


def _set(document: Document, **members: Any) -> _Apply:  # noqa: ANN401  any JSON
    return signed_members(document, lambda found: found.update(members))


def _without(document: Document, member: str) -> _Apply:
    return signed_members(document, lambda members: members.pop(member))


def _level(document: Document, **members: Any) -> _Apply:  # noqa: ANN401  any JSON
    """Members of the first level, which the platform reaches."""
    return signed_members(document, lambda found: found["tcbLevels"][0].update(members))


def _tcb(document: Document, **members: Any) -> _Apply:  # noqa: ANN401  any JSON
    return signed_members(document, lambda found: found["tcbLevels"][0]["tcb"].update(members))


def _components(count: int) -> _Apply:
    """Every level with another number of components, so low that the platform reaches them."""

    def edit(members: _Members) -> None:
        for level in members["tcbLevels"]:
            level["tcb"]["sgxtcbcomponents"] = [{"svn": 0}] * count

    return signed_members(TCB_INFO, edit)


def _component(**members: Any) -> _Apply:  # noqa: ANN401  any JSON
    return signed_members(
        TCB_INFO,
        lambda found: found["tcbLevels"][0]["tcb"]["sgxtcbcomponents"].__setitem__(0, members),
    )


def _replaced(document: Document, old: bytes, new: bytes) -> _Apply:
    return signed_text(document, lambda text: text.replace(old, new, 1))


def _format_rows(document: Document) -> Iterator[tuple[str, str, _Apply]]:
    """What is malformed in the same way in both documents."""
    number = b'"tcbEvaluationDataNumber":20'
    yield "not-json", "no JSON", signed_text(document, lambda _: b"garbage")
    yield "empty", "no bytes", signed_text(document, lambda _: b"")
    yield "array", "an array", signed_text(document, lambda text: b"[" + text + b"]")
    yield "utf-8", "a byte outside UTF-8", _replaced(document, b'"id"', b'"\xff":0,"id"')
    yield (
        "byte-order-mark",
        "a byte order mark",
        signed_text(document, lambda text: b"\xef\xbb\xbf" + text),
    )
    yield "two-objects", "an object behind it", signed_text(document, lambda text: text + b"{}")
    yield (
        "deep",
        "nesting without end",
        _replaced(document, number, number + b',"x":' + b"[" * _NESTING + b"]" * _NESTING),
    )
    yield "duplicate-name", "a name twice", _replaced(document, number, number + b"," + number)
    yield (
        "duplicate-levels",
        "a second list of levels",
        _replaced(document, number, number + b',"tcbLevels":[]'),
    )
    yield "nan", "a number that is none", _replaced(document, number, number[:-2] + b"NaN")
    yield (
        "huge-integer",
        "an integer of 5,000 digits",
        _replaced(document, number, number[:-2] + b"9" * 5000),
    )
    yield "number-as-text", "a number in quotes", _set(document, tcbEvaluationDataNumber="20")
    yield "number-negative", "a negative number", _set(document, tcbEvaluationDataNumber=-1)
    yield "no-levels", "an empty list of levels", _set(document, tcbLevels=[])
    yield "levels-missing", "no list of levels", _without(document, "tcbLevels")
    yield "version-missing", "no version", _without(document, "version")
    yield "issue-date-missing", "no issue date", _without(document, "issueDate")
    yield (
        "issue-date-impossible",
        "the 30th of February",
        _set(document, issueDate="2026-02-30T00:00:00Z"),
    )
    yield (
        "next-update-no-zone",
        "a time without its zone",
        _set(document, nextUpdate="2099-01-01T00:00:00"),
    )
    yield (
        "next-update-offset",
        "a time with an offset",
        _set(document, nextUpdate="2099-01-01T00:00:00+00:00"),
    )
    yield "next-update-year-0", "the year 0", _set(document, nextUpdate="0000-01-01T00:00:00Z")
    yield "tcb-date-bad", "a level's date that is none", _level(document, tcbDate="yesterday")
    yield "status-number", "a status that is a number", _level(document, tcbStatus=0)
    yield (
        "status-missing",
        "a level without its status",
        signed_members(document, lambda members: members["tcbLevels"][0].pop("tcbStatus")),
    )
    yield "advisories-text", "advisories that are no list", _level(document, advisoryIDs="none")


def _with_id_in_version_2(platform: SimulatedPlatform) -> Attempt:
    return _set(TCB_INFO, id="SGX")(platform.with_settings(tcb_info_version=2))


def _tcb_info_rows() -> Iterator[tuple[str, str, _Apply]]:
    yield "version-4", "version 4", _set(TCB_INFO, version=4)
    yield "version-1", "version 1", _set(TCB_INFO, version=1)
    yield "version-text", "a version in quotes", _set(TCB_INFO, version="3")
    yield "id-missing", "no id in version 3", _without(TCB_INFO, "id")
    yield "id-in-version-2", "an id in version 2, which has none", _with_id_in_version_2
    yield "tcb-type-1", "a composition of levels that we do not know", _set(TCB_INFO, tcbType=1)
    yield "fmspc-missing", "no FMSPC", _without(TCB_INFO, "fmspc")
    yield "fmspc-short", "an FMSPC of 5 bytes", _set(TCB_INFO, fmspc="00606A0000")
    yield "pceid-not-hex", "a PCEID that is no hexadecimal", _set(TCB_INFO, pceId="zzzz")
    for count in (0, 1, 15, 17):
        yield f"{count}-components", f"{count} components in a level", _components(count)
    yield "components-missing", "a level without components", _level(TCB_INFO, tcb={"pcesvn": 0})
    yield "svn-256", "a component SVN above a byte", _component(svn=256)
    yield "svn-negative", "a negative component SVN", _component(svn=-1)
    yield "svn-text", "a component SVN in quotes", _component(svn="0")
    yield "svn-float", "a component SVN with a fraction", _component(svn=0.5)
    yield "svn-true", "a component SVN that is a boolean", _component(svn=True)
    yield "svn-missing", "a component without its SVN", _component(category="BIOS")
    yield "pcesvn-65536", "a PCESVN above two bytes", _tcb(TCB_INFO, pcesvn=65536)
    yield (
        "pcesvn-missing",
        "a level without PCESVN",
        signed_members(TCB_INFO, lambda members: members["tcbLevels"][0]["tcb"].pop("pcesvn")),
    )


def _qe_identity_rows() -> Iterator[tuple[str, str, _Apply]]:
    yield "version-3", "version 3", _set(QE_IDENTITY, version=3)
    yield "mrsigner-missing", "no MRSIGNER", _without(QE_IDENTITY, "mrsigner")
    yield "mrsigner-short", "an MRSIGNER of 31 bytes", _set(QE_IDENTITY, mrsigner="8C" * 31)
    yield "mrsigner-empty", "an empty MRSIGNER", _set(QE_IDENTITY, mrsigner="")
    yield "miscselect-short", "a MISCSELECT of 3 bytes", _set(QE_IDENTITY, miscselect="000000")
    yield "mask-missing", "no attributes mask", _without(QE_IDENTITY, "attributesMask")
    yield "mask-short", "an attributes mask of one byte", _set(QE_IDENTITY, attributesMask="FB")
    yield "isvprodid-65536", "an ISVPRODID above two bytes", _set(QE_IDENTITY, isvprodid=65536)
    yield "isvsvn-65536", "an ISVSVN above two bytes", _tcb(QE_IDENTITY, isvsvn=65536)
    yield "isvsvn-negative", "a negative ISVSVN", _tcb(QE_IDENTITY, isvsvn=-1)
    yield (
        "is-tcb-info",
        "the TCB info in its place",
        with_collateral(
            lambda _, collateral: replace(
                collateral,
                qe_identity=collateral.tcb_info,
                qe_identity_signature=collateral.tcb_info_signature,
            )
        ),
    )


def _format_faults(document: Document, rows: Iterator[tuple[str, str, _Apply]]) -> Iterator[Fault]:
    name = document.field.replace("_", "-")
    for suffix, description, apply in rows:
        yield Fault(
            f"{name}-{suffix}",
            f"{document.label}: {description}, signed as such",
            f"{document.check}.collateral_format",
            apply,
        )


_MISMATCHES: Final = (
    Fault(
        "tcb-info-other-fmspc",
        "the TCB info of another family of platforms",
        "dcap.tcb_info.collateral_mismatch",
        _set(TCB_INFO, fmspc="00906ED50000"),
    ),
    Fault(
        "tcb-info-other-pceid",
        "the TCB info of another provisioning enclave",
        "dcap.tcb_info.collateral_mismatch",
        _set(TCB_INFO, pceId="0100"),
    ),
    Fault(
        "tcb-info-of-tdx",
        "the TCB info of TDX for an SGX quote",
        "dcap.tcb_info.collateral_mismatch",
        _set(TCB_INFO, id="TDX"),
    ),
    Fault(
        "qe-identity-of-tdx",
        "the identity of the TDX quoting enclave",
        "dcap.qe_identity.collateral_mismatch",
        _set(QE_IDENTITY, id="TD_QE"),
    ),
    Fault(
        "qe-identity-of-qve",
        "the identity of Intel's verifying enclave",
        "dcap.qe_identity.collateral_mismatch",
        _set(QE_IDENTITY, id="QVE"),
    ),
)

_IDENTITIES: Final = (
    Fault(
        "qe-identity-other-signer",
        "an identity of another MRSIGNER",
        "dcap.qe_report.qe_identity",
        _set(QE_IDENTITY, mrsigner="AB" * 32),
    ),
    Fault(
        "qe-identity-other-product",
        "an identity of another ISVPRODID",
        "dcap.qe_report.qe_identity",
        _set(QE_IDENTITY, isvprodid=2),
    ),
    Fault(
        "qe-identity-other-attributes",
        "an identity that wants other attributes",
        "dcap.qe_report.qe_identity",
        _set(QE_IDENTITY, attributes="91" + "00" * 15),
    ),
)


def _low_component(platform: SimulatedPlatform) -> SimulatedPlatform:
    """Every level wants the last component to be 1; the platform has 0."""
    levels = tuple(
        replace(level, components=(*level.components[:-1], 1)) for level in platform.settings.levels
    )
    return platform.with_settings(levels=levels)


def _old_components(platform: SimulatedPlatform) -> SimulatedPlatform:
    return platform.with_settings(components=(1,) * 16)


def _flattering_cpu_svn(platform: SimulatedPlatform) -> SimulatedPlatform:
    """Components below every level, under a CPUSVN that would be above all of them."""
    old = _old_components(platform)
    extension = replace(pck_extension(old.settings), cpu_svn=b"\xff" * 16)
    return with_extension(old, extension.encode())


_LEVELS: Final = (
    Fault(
        "platform-below-all-levels",
        "component SVNs below every level",
        _NOT_SUPPORTED,
        with_platform(_old_components),
    ),
    Fault(
        "last-component-below-all-levels",
        "only the last component below every level",
        _NOT_SUPPORTED,
        with_platform(_low_component),
    ),
    Fault(
        "pcesvn-below-all-levels",
        "a PCESVN below every level",
        _NOT_SUPPORTED,
        with_platform(lambda platform: platform.with_settings(pcesvn=1)),
    ),
    Fault(
        "cpu-svn-flatters",
        "a high CPUSVN over components below every level",
        _NOT_SUPPORTED,
        with_platform(_flattering_cpu_svn),
    ),
    Fault(
        "platform-revoked",
        "a platform at a revoked level",
        _REVOKED,
        with_platform(lambda platform: platform.with_status(TcbStatus.REVOKED)),
    ),
    Fault(
        "qe-revoked",
        "a quoting enclave at a revoked level",
        _REVOKED,
        with_platform(
            lambda platform: platform.with_status(TcbStatus.UP_TO_DATE, TcbStatus.REVOKED)
        ),
    ),
    Fault(
        "platform-status-unknown",
        "a status of the platform that nobody knows",
        "dcap.tcb_info.tcb_unrecognized",
        _level(TCB_INFO, tcbStatus="Excellent"),
    ),
    Fault(
        "platform-status-case",
        "a status of the platform in lower case",
        "dcap.tcb_info.tcb_unrecognized",
        _level(TCB_INFO, tcbStatus="uptodate"),
    ),
    Fault(
        "qe-status-unknown",
        "a status of the quoting enclave that nobody knows",
        "dcap.qe_identity.tcb_unrecognized",
        _level(QE_IDENTITY, tcbStatus="Excellent"),
    ),
)

DOCUMENT_FAULTS: Final = (
    *_format_faults(TCB_INFO, _format_rows(TCB_INFO)),
    *_format_faults(TCB_INFO, _tcb_info_rows()),
    *_format_faults(QE_IDENTITY, _format_rows(QE_IDENTITY)),
    *_format_faults(QE_IDENTITY, _qe_identity_rows()),
    *_MISMATCHES,
    *_IDENTITIES,
    *_LEVELS,
)
