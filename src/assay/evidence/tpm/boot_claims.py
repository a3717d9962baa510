"""The state of a boot, derived from its events: what policies of version 1.0 and 1.1 see.

A state that the events do not prove is false, whichever the claim: policies test for true.

Source: MAA, "TPM attestation": claims of policy 1.0 and the queries of 1.2 that replaced them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from assay.claims import Claim
from assay.evidence.tpm.content import DriverConfig, Separator, Text, WindowsRecords
from assay.evidence.tpm.efi_variable import GLOBAL_GUID
from assay.evidence.tpm.measured_log import MeasuredEvent, MeasuredLog
from assay.evidence.tpm.profile import SECURE_BOOT, SECURE_BOOT_PCR
from assay.evidence.tpm.sipa import SipaId
from assay.evidence.tpm.sipa_values import read_boolean
from assay.evidence.tpm.wbcl import find_sipa

_STATE_PCRS: Final = frozenset({12, 13, 19, 20})
_MAIN_PCRS: Final = frozenset({12, 13})
"""The others hold something after a dynamic launch only; a policy's mask may leave them out."""

_ENFORCEMENT_PCRS: Final = frozenset({12, 19})

_ON: Final = b"\x01"
_KNOWN_ACTIONS: Final = frozenset({"DMA Protection Disabled"})
"""Of PCR 7. Others say that the firmware is in a state in which secure boot means less."""


def boot_claims(log: MeasuredLog) -> tuple[Claim, ...]:
    """The claims of policies 1.0 and 1.1 that the events decide; each is always there."""
    return tuple(Claim(name, decide(log)) for name, decide in _CLAIMS.items())


def _is_secure_boot_on(log: MeasuredLog) -> bool:
    """Whether the firmware measured exactly one variable that says so, and nothing that doubts it.

    The order of events and their types have been checked: see `assay.evidence.tpm.profile`.
    """
    events = [event for event in log.events if event.pcr == SECURE_BOOT_PCR]
    if not any(isinstance(event.content, Separator) for event in events):
        return False
    values = [
        event.content.variable.data
        for event in events
        if isinstance(event.content, DriverConfig)
        and event.content.variable.name == SECURE_BOOT
        and event.content.variable.guid == GLOBAL_GUID
    ]
    actions = {event.content.text for event in events if isinstance(event.content, Text)}
    return values == [_ON] and actions <= _KNOWN_ACTIONS


def _is_iommu_on(log: MeasuredLog) -> bool:
    return _all(log, _STATE_PCRS, SipaId.VBS_IOMMU_REQUIRED, expected=True)


def _is_boot_debugging_off(log: MeasuredLog) -> bool:
    return _all(log, _STATE_PCRS, SipaId.BOOTDEBUGGING, expected=False)


def _is_vbs_on(log: MeasuredLog) -> bool:
    values = [
        *_values(log, _ENFORCEMENT_PCRS, SipaId.VBS_VSM_REQUIRED),
        *_values(log, _ENFORCEMENT_PCRS, SipaId.VBS_MANDATORY_ENFORCEMENT),
    ]
    return bool(values) and all(values)


def _is_never(identifier: SipaId) -> Callable[[MeasuredLog], bool]:
    """Whether a state was never entered: true, too, where nothing was measured that could say so.

    Then it takes registers of which the log leaves nothing out, and events whose data is proved.
    """

    def decide(log: MeasuredLog) -> bool:
        return (
            log.accounted_pcrs >= _STATE_PCRS & (log.quoted_pcrs | _MAIN_PCRS)
            and all(event.content is not None for event in _in(log, _STATE_PCRS))
            and not any(_values(log, _STATE_PCRS, identifier))
        )

    return decide


def _all(log: MeasuredLog, pcrs: frozenset[int], identifier: SipaId, *, expected: bool) -> bool:
    """Whether there is a value of a switch, and each is as expected."""
    return set(_values(log, pcrs, identifier)) == {expected}


def _values(log: MeasuredLog, pcrs: frozenset[int], identifier: SipaId) -> Iterator[bool]:
    for event in _in(log, pcrs):
        if isinstance(event.content, WindowsRecords):
            yield from map(read_boolean, find_sipa(event.content.records, identifier))


def _in(log: MeasuredLog, pcrs: frozenset[int]) -> Iterator[MeasuredEvent]:
    return (event for event in log.events if event.pcr in pcrs)


_CLAIMS: Final[dict[str, Callable[[MeasuredLog], bool]]] = {
    "secureBootEnabled": _is_secure_boot_on,
    "iommuEnabled": _is_iommu_on,
    "bootDebuggingDisabled": _is_boot_debugging_off,
    "notSafeMode": _is_never(SipaId.SAFEMODE),
    "notWinPE": _is_never(SipaId.WINPE),
    "vbsEnabled": _is_vbs_on,
}
