from __future__ import annotations

from uuid import UUID

import pytest

from assay.errors import UntrustedEvidenceError
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.linux_boot import file
from assay.simulator.measured_boot import Event
from assay.simulator.uefi_boot import action, authority, driver_config, measured, separator
from assay.simulator.windows_boot import CLOSED, boundary, flag
from tests.logs import booted

RECORD = boundary(12, flag(SipaId.CODEINTEGRITY, value=True))
CLOSE = separator(12, CLOSED)


def findings(*events: Event) -> list[str]:
    with pytest.raises(UntrustedEvidenceError) as caught:
        booted(*events)
    return [finding.check.rpartition(".")[2] for finding in caught.value.findings]


@pytest.mark.parametrize(
    "events",
    [
        (
            driver_config("SecureBoot", b"\1"),
            action(7, "x"),
            separator(7),
            authority("db", bytes(40)),
        ),
        (separator(7, b"\xff" * 4), action(7, "x")),
        (driver_config("Vendor", b"", pcr=1), driver_config("Vendor", b"", pcr=1)),
        (RECORD, CLOSE),
        (boundary(19, flag(SipaId.CODEINTEGRITY, value=True)),),
        (file("a file", b"content", pcr=12), separator(12, CLOSED)),
        (separator(11, b"any "), file("a file", b"content", pcr=11)),
    ],
)
def test_what_boots_measure_passes(events: tuple[Event, ...]) -> None:
    assert len(booted(*events).events) == len(events)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((separator(12, CLOSED), separator(12, CLOSED)), ["separator"]),
        ((separator(0, b"\0\0\0\1"),), ["separator"]),
        ((separator(7), driver_config("x", b"")), ["separator"]),
        ((authority("db", bytes(40)), separator(7)), ["separator"]),
        ((measured(7, EventType.EV_IPL, b"x"),), ["event_type"]),
        ((measured(7, 0x1234, b"x"),), ["event_type"]),
        ((driver_config("x", b"1"), driver_config("x", b"2")), ["variable"]),
        ((driver_config("dbx", b"", pcr=1),), ["variable"]),
        ((RECORD,), ["separator"]),
        ((RECORD, CLOSE, RECORD), ["separator"]),
        ((RECORD, CLOSE, file("a file", b"content", pcr=14)), ["event_type"]),
        ((RECORD, CLOSE, measured(20, EventType.EV_EVENT_TAG, b"\xff" * 9)), ["event_type"]),
        ((boundary(20), measured(12, EventType.EV_COMPACT_HASH, b"x")), ["event_type"]),
    ],
)
def test_what_boots_do_not_measure_is_refused(
    events: tuple[Event, ...], expected: list[str]
) -> None:
    assert findings(*events) == expected


def test_two_variables_of_one_name_may_have_two_vendors() -> None:
    log = booted(
        driver_config("x", b"1"), driver_config("x", b"2", guid=driver_guid()), separator(7)
    )

    assert len(log.events) == 3


def driver_guid() -> UUID:
    return UUID(int=1)
