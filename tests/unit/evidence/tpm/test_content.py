from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from assay.errors import AssayError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.content import (
    Authority,
    BootValue,
    BootVariable,
    DriverConfig,
    Nothing,
    Separator,
    Text,
    WindowsRecords,
)
from assay.evidence.tpm.efi_events import FirmwareBlob, ImageLoad, PartitionTable
from assay.evidence.tpm.event_types import EventType, type_name
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.linux_boot import SHIM, command, file, initrd
from assay.simulator.measured_boot import BootDraft, Event
from assay.simulator.uefi_boot import (
    OWNER,
    action,
    authority,
    boot_variable,
    driver_config,
    firmware_blob,
    image_load,
    measured,
    partition_table,
    separator,
    utf16,
    variable_data,
)
from assay.simulator.windows_boot import CLOSED, boundary, flag
from tests.logs import booted, only, verified

CERTIFICATE = b"\x30\x82\x00\x02ab"


def content(event: Event) -> object:
    """What a lone event says; Windows has to close its registers, and PCR 7 its configuration."""
    closing = {7: (separator(7),)} if event.type == EventType.EV_EFI_VARIABLE_AUTHORITY else {}
    log = booted(*closing.get(event.pcr, ()), event)
    return log.events[-1].content


def check(event: Event) -> str:
    with pytest.raises(AssayError) as caught:
        content(event)
    return caught.value.findings[0].check


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (separator(0), Separator),
        (driver_config("SecureBoot", b"\1"), DriverConfig),
        (driver_config("Vendor", b"\1", pcr=3), DriverConfig),
        (boot_variable("Boot0000", b"what"), BootValue),
        (authority("db", bytes(40)), Authority),
        (image_load(b"image"), ImageLoad),
        (replace(image_load(b"image"), pcr=2), ImageLoad),
        (firmware_blob(1, 2, b"part"), FirmwareBlob),
        (partition_table(), PartitionTable),
        (action(4, "words"), Text),
        (measured(0, EventType.EV_NONHOST_INFO, b""), Nothing),
    ],
    ids=lambda value: f"{value.type:x} in {value.pcr}" if isinstance(value, Event) else "",
)
def test_an_event_speaks_in_its_register_and_not_in_others(event: Event, kind: type) -> None:
    assert isinstance(content(event), kind)
    assert content(replace(event, pcr=9)) is None


def test_events_of_other_types_say_nothing() -> None:
    assert content(measured(0, EventType.EV_S_CRTM_VERSION, b"1")) is None
    assert content(measured(0, EventType.EV_NONHOST_INFO, b"a vendor's data")) is None
    assert content(measured(0, 0x1234, b"")) is None


@pytest.mark.parametrize(
    "event",
    [
        separator(4),
        driver_config("Vendor", b"\1", pcr=1),
        partition_table(),
        action(5, "words"),
        boot_variable("Boot0000", b"what"),
        measured(1, EventType.EV_EFI_VARIABLE_BOOT, b"a bare value"),
        authority("db", bytes(40)),
    ],
    ids=lambda event: f"{type_name(event.type)} of {len(event.data)} bytes",
)
def test_data_that_the_digest_does_not_cover_is_refused(event: Event) -> None:
    assert check(replace(event, measured=b"something else")) == "tpm.event_log.event_data"


@pytest.mark.parametrize(
    "event",
    [separator(9), driver_config("x", b"", pcr=9), action(9, "x")],
    ids=["separator", "variable", "action"],
)
def test_it_is_refused_in_every_register(event: Event) -> None:
    assert check(replace(event, measured=b"something else")) == "tpm.event_log.event_data"


def test_every_digest_has_to_cover_the_data_in_every_bank() -> None:
    event = action(4, "words")
    log = BootDraft(events=(event,), banks=tuple(HashAlgorithm)).encode()
    other = BootDraft(events=(event,)).encode()

    assert HashAlgorithm.SHA512.digest(b"words") in log
    assert HashAlgorithm.SHA512.digest(b"words") not in other
    assert content(event) == Text("words")


def test_a_boot_variable_has_its_name_only_where_that_is_covered() -> None:
    data = variable_data("BootOrder", b"\0\0")

    with_name = content(measured(1, EventType.EV_EFI_VARIABLE_BOOT, data))
    without = content(boot_variable("BootOrder", b"\0\0"))
    bare = content(measured(1, EventType.EV_EFI_VARIABLE_BOOT, b"\0\0"))
    second = content(measured(1, EventType.EV_EFI_VARIABLE_BOOT2, data))

    assert isinstance(with_name, BootVariable)
    assert with_name.variable.name == "BootOrder"
    assert without == bare == BootValue(b"\0\0")
    assert second == with_name


def test_a_boot_loader_may_log_a_byte_more_than_it_measures() -> None:
    data = variable_data("Shim", CERTIFICATE, SHIM) + bytes(5)

    found = content(
        Event(
            pcr=7,
            type=EventType.EV_EFI_VARIABLE_AUTHORITY,
            data=data + b"\xaf",
            measured=data,
        )
    )

    assert isinstance(found, Authority)
    assert found.variable.data == CERTIFICATE
    assert found.signature is None


def test_an_empty_authority_is_refused() -> None:
    event = measured(7, EventType.EV_EFI_VARIABLE_AUTHORITY, b"")

    assert check(event) == "tpm.event_log.event_format"
    assert check(replace(event, measured=b"x")) == "tpm.event_log.event_format"


@pytest.mark.parametrize(
    ("guid", "data", "has_owner"),
    [
        (None, OWNER.bytes_le + CERTIFICATE, True),
        (None, CERTIFICATE, False),
        (SHIM, b"sbat,1,2024010900\n", False),
    ],
)
def test_only_entries_of_databases_have_owners(
    guid: UUID | None, data: bytes, *, has_owner: bool
) -> None:
    event = authority("db", data) if guid is None else authority("SbatLevel", data, guid=guid)

    found = content(event)

    assert isinstance(found, Authority)
    assert (found.signature is not None) is has_owner


def test_words_about_an_image_that_cannot_be_read_are_left_out() -> None:
    assert content(replace(image_load(b"image"), data=b"words")) is None
    assert content(replace(firmware_blob(1, 2, b"part"), data=b"words")) is None


def test_an_action_is_words() -> None:
    assert content(measured(5, EventType.EV_EFI_ACTION, b"words\0")) == Text("words")
    assert check(measured(5, EventType.EV_EFI_ACTION, b"\xff")) == "tpm.event_log.event_format"


def test_records_of_windows_are_covered_or_refused() -> None:
    event = boundary(19, flag(SipaId.SAFEMODE, value=True))

    assert isinstance(content(event), WindowsRecords)
    assert check(replace(event, measured=b"other")) == "tpm.event_log.event_data"


def test_tagged_data_of_others_says_nothing() -> None:
    assert content(initrd(b"a RAM disk")) is None
    assert content(replace(initrd(b"a RAM disk"), pcr=12)) is None
    assert content(measured(12, EventType.EV_EVENT_TAG, b"")) is None


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (command("grub_cmd: ", "set root=hd0"), "set root=hd0"),
        (command("kernel_cmdline: ", "/vmlinuz ro"), "/vmlinuz ro"),
        (command("module_cmdline: ", "/module"), "/module"),
        (measured(12, EventType.EV_IPL, utf16("root=x") + b"\0\0"), "root=x"),
        (measured(12, EventType.EV_IPL, utf16("root=x")), "root=x"),
        (measured(11, EventType.EV_IPL, b".linux\0"), ".linux"),
        (measured(8, EventType.EV_IPL, b"grub_cmd: all of it"), "grub_cmd: all of it"),
        (measured(8, EventType.EV_IPL, "gr\xfc\xdfe".encode()), "gr\xfc\xdfe"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.pcr} {value.data!r}",
)
def test_a_loaders_text_is_what_it_measured(event: Event, text: str) -> None:
    assert content(event) == Text(text)


@pytest.mark.parametrize(
    "event",
    [
        file("(hd0)/grub.cfg", b"a menu"),
        replace(command("grub_cmd: ", "one"), data=b"grub_cmd: two\0"),
        measured(8, EventType.EV_IPL, b"\xff"),
        measured(8, EventType.EV_IPL, b"\0\xd8\0\0"),
        command("other: ", "text"),
    ],
    ids=["file", "edited", "no UTF-8", "no UTF-16", "other prefix"],
)
def test_what_no_digest_covers_is_no_text(event: Event) -> None:
    assert content(event) is None


def test_a_separator_of_windows_closes_its_register() -> None:
    log = verified(BootDraft(events=(separator(13, CLOSED),)))

    assert only(log).content == Separator()


def test_types_have_their_names() -> None:
    assert type_name(0x80000001) == "EV_EFI_VARIABLE_DRIVER_CONFIG"
    assert type_name(0x1234) == "0x00001234"
