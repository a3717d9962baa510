"""The state of a boot, derived from its events: what policies of version 1.0 and 1.1 see.

A state that the events do not prove is false, whichever the claim: policies test for true.

Source: MAA, "TPM attestation": claims of policy 1.0 and the queries of 1.2 that replaced them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from assay.claims import Claim
from assay.evidence.tpm.content import DriverConfig, Separator, Text, WindowsRecords
from assay.evidence.tpm.efi_variable import GLOBAL_GUID
from assay.evidence.tpm.measured_log import MeasuredLog
from assay.evidence.tpm.profile import SECURE_BOOT, SECURE_BOOT_PCR
from assay.evidence.tpm.sipa import SipaId
from assay.evidence.tpm.sipa_values import read_boolean
from assay.evidence.tpm.wbcl import find_sipa

_STATE_PCRS: Final = frozenset({12, 13, 19, 20})
_MAIN_PCRS: Final = frozenset({12, 13})
"""The others hold something after a dynamic launch only; a policy's mask may leave them out."""

_ENFORCEMENT_PCRS: Final = frozenset({12, 19})

_SWITCHES: Final[Mapping[int, frozenset[int]]] = {
    SipaId.VBS_IOMMU_REQUIRED: _STATE_PCRS,
    SipaId.BOOTDEBUGGING: _STATE_PCRS,
    SipaId.SAFEMODE: _STATE_PCRS,
    SipaId.WINPE: _STATE_PCRS,
    SipaId.VBS_VSM_REQUIRED: _ENFORCEMENT_PCRS,
    SipaId.VBS_MANDATORY_ENFORCEMENT: _ENFORCEMENT_PCRS,
}

_ON: Final = b"\x01"
_KNOWN_ACTIONS: Final = frozenset({"DMA Protection Disabled"})
"""Of PCR 7. Others say that the firmware is in a state in which secure boot means less."""


def boot_claims(log: MeasuredLog) -> tuple[Claim, ...]:
    """The claims of policies 1.0 and 1.1 that the events decide; each is always there."""
    switches = _read_switches(log)
    decided = {
        "secureBootEnabled": _is_secure_boot_on(log),
        "iommuEnabled": switches[SipaId.VBS_IOMMU_REQUIRED] == {True},
        "bootDebuggingDisabled": switches[SipaId.BOOTDEBUGGING] == {False},
        "notSafeMode": True not in switches[SipaId.SAFEMODE] and _is_complete(log),
        "notWinPE": True not in switches[SipaId.WINPE] and _is_complete(log),
        "vbsEnabled": switches[SipaId.VBS_VSM_REQUIRED] | switches[SipaId.VBS_MANDATORY_ENFORCEMENT]
        == {True},
    }
    return tuple(Claim(name, value) for name, value in decided.items())


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


def _is_complete(log: MeasuredLog) -> bool:
    """Whether the log would show any state that was entered.

    That takes registers of which it leaves nothing out, and events whose data is proved.
    """
    return log.accounted_pcrs >= _STATE_PCRS & (log.quoted_pcrs | _MAIN_PCRS) and all(
        event.content is not None for event in log.events if event.pcr in _STATE_PCRS
    )


def _read_switches(log: MeasuredLog) -> Mapping[int, set[bool]]:
    """The values that each switch has in the registers where it counts."""
    values: dict[int, set[bool]] = {identifier: set() for identifier in _SWITCHES}
    for event in log.events:
        if isinstance(event.content, WindowsRecords):
            for record in find_sipa(event.content.records, _SWITCHES):
                if event.pcr in _SWITCHES[record.id]:
                    values[record.id].add(read_boolean(record))
    return values
