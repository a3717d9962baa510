from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from assay.claims import CATALOGUE
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.boot_claims import boot_claims
from assay.evidence.tpm.event_log import parse_event_log
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.log_verify import verify_event_logs
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.linux_boot import file, grub_boot, systemd_boot
from assay.simulator.measured_boot import BootDraft, Event
from assay.simulator.uefi_boot import action, driver_config, measured, separator, utf16
from assay.simulator.windows_boot import (
    CLOSED,
    WindowsState,
    boundary,
    flag,
    windows_boot,
)
from tests.logs import booted, verified

SHA256 = HashAlgorithm.SHA256
ON = driver_config("SecureBoot", b"\1")
SECURE_BOOT, IOMMU, NO_DEBUGGING = "secureBootEnabled", "iommuEnabled", "bootDebuggingDisabled"
NO_SAFE_MODE, NO_WIN_PE, VBS = "notSafeMode", "notWinPE", "vbsEnabled"
EVERY = {SECURE_BOOT, IOMMU, NO_DEBUGGING, NO_SAFE_MODE, NO_WIN_PE, VBS}


def holding(boot: BootDraft) -> set[str]:
    claims = boot_claims(verified(boot))
    assert {claim.type for claim in claims} == EVERY <= CATALOGUE["Tpm"].keys()
    return {claim.type for claim in claims if claim.value is True}


def of(*events: Event) -> set[str]:
    return {claim.type for claim in boot_claims(booted(*events)) if claim.value is True}


def closed(*events: Event) -> set[str]:
    """The claims of events in PCR 12, which Windows closes."""
    return of(*events, separator(12, CLOSED))


def switch(identifier: SipaId, *, value: bool, pcr: int = 12) -> Event:
    return boundary(pcr, flag(identifier, value=value))


def test_a_boot_as_its_owner_wants_it_has_every_claim() -> None:
    assert holding(windows_boot()) == EVERY


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        ({"secure_boot": False}, SECURE_BOOT),
        ({"boot_debugging": True}, NO_DEBUGGING),
        ({"safe_mode": True}, NO_SAFE_MODE),
        ({"win_pe": True}, NO_WIN_PE),
        ({"iommu": False}, IOMMU),
        ({"vbs": False}, VBS),
    ],
)
def test_each_state_takes_one_claim_away(change: dict[str, Any], lost: str) -> None:
    assert holding(windows_boot(WindowsState(**change))) == EVERY - {lost}


def test_linux_has_the_claims_that_need_no_records_of_windows() -> None:
    assert holding(grub_boot()) == {SECURE_BOOT, NO_SAFE_MODE, NO_WIN_PE}
    assert holding(systemd_boot()) == {SECURE_BOOT, NO_SAFE_MODE, NO_WIN_PE}
    assert holding(grub_boot(secure_boot=False)) == {NO_SAFE_MODE, NO_WIN_PE}


@pytest.mark.parametrize(
    "events",
    [
        (ON,),
        (separator(7),),
        (driver_config("SecureBoot", b""), separator(7)),
        (driver_config("SecureBoot", b"\2"), separator(7)),
        (driver_config("SecureBoot", b"\1\0"), separator(7)),
        (driver_config("secureboot", b"\1"), separator(7)),
        (driver_config("SecureBoot", b"\1", guid=UUID(int=1)), separator(7)),
        (ON, action(7, "UEFI Debug Mode"), separator(7)),
    ],
)
def test_secure_boot_has_to_be_said_once_and_plainly(events: tuple[Event, ...]) -> None:
    assert SECURE_BOOT not in of(*events)


def test_known_actions_leave_secure_boot_alone() -> None:
    assert SECURE_BOOT in of(ON, action(7, "DMA Protection Disabled"), separator(7))


@pytest.mark.parametrize("pcr", [12, 19])
def test_switches_are_read_before_and_after_a_dynamic_launch(pcr: int) -> None:
    claims = closed(
        switch(SipaId.VBS_IOMMU_REQUIRED, value=True, pcr=pcr),
        switch(SipaId.BOOTDEBUGGING, value=False, pcr=pcr),
        switch(SipaId.VBS_MANDATORY_ENFORCEMENT, value=True, pcr=pcr),
    )

    assert {IOMMU, NO_DEBUGGING, VBS} <= claims


def test_switches_count_in_their_registers_alone() -> None:
    claims = of(
        switch(SipaId.VBS_VSM_REQUIRED, value=True, pcr=13),
        switch(SipaId.BOOTDEBUGGING, value=False, pcr=21),
        separator(13, CLOSED),
    )

    assert claims.isdisjoint({VBS, NO_DEBUGGING})


def test_one_value_that_is_otherwise_decides() -> None:
    claims = closed(
        switch(SipaId.VBS_IOMMU_REQUIRED, value=True),
        switch(SipaId.VBS_IOMMU_REQUIRED, value=False),
        switch(SipaId.BOOTDEBUGGING, value=False),
        switch(SipaId.BOOTDEBUGGING, value=True),
        switch(SipaId.VBS_VSM_REQUIRED, value=True),
        switch(SipaId.VBS_MANDATORY_ENFORCEMENT, value=False),
    )

    assert claims.isdisjoint({IOMMU, NO_DEBUGGING, VBS})


def test_without_values_what_has_to_be_on_is_off() -> None:
    assert of(separator(0)) == {NO_SAFE_MODE, NO_WIN_PE}


@pytest.mark.parametrize(
    "event",
    [
        file("a file", b"content", pcr=12),
        measured(13, EventType.EV_COMPACT_HASH, b"x"),
        measured(12, EventType.EV_EVENT_TAG, b"\xff" * 8),
    ],
    ids=["file", "hash", "tag"],
)
def test_a_state_is_never_only_where_every_event_says_what_it_is(event: Event) -> None:
    assert of(event).isdisjoint({NO_SAFE_MODE, NO_WIN_PE})


def test_a_proved_command_line_hides_nothing() -> None:
    line = measured(12, EventType.EV_IPL, utf16("ro quiet"))

    assert of(line) == {NO_SAFE_MODE, NO_WIN_PE}


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        ({7, 12, 13}, {NO_SAFE_MODE, NO_WIN_PE}),
        ({7, 12}, set()),
        ({7, 12, 13, 19}, {NO_SAFE_MODE, NO_WIN_PE}),
    ],
)
def test_a_state_is_never_only_where_its_registers_are_quoted(
    quoted: set[int], expected: set[str]
) -> None:
    boot = BootDraft(events=(separator(7),))
    values = {number: boot.registers()[SHA256][number] for number in quoted}

    log = verify_event_logs([parse_event_log(boot.encode())], {SHA256: values})

    assert {claim.type for claim in boot_claims(log) if claim.value is True} == expected


def test_a_state_is_never_only_where_the_log_accounts_for_its_registers() -> None:
    boot = BootDraft(events=(separator(7),))
    values = {**boot.registers()[SHA256], 19: b"\1" * 32}

    log = verify_event_logs([parse_event_log(boot.encode())], {SHA256: values})

    assert all(claim.value is False for claim in boot_claims(log))


def test_a_startup_locality_changes_nothing() -> None:
    assert holding(replace(windows_boot(), locality=3)) == EVERY
