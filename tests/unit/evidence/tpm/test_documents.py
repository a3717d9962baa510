from __future__ import annotations

import json
from typing import Any

import pytest

from assay.encoding import encode_base64url
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.documents import events_document, pcrs_document
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.sipa import SipaId
from assay.simulator.linux_boot import SHIM, command, grub_boot, systemd_boot
from assay.simulator.measured_boot import BootDraft, Event
from assay.simulator.uefi_boot import (
    OWNER,
    SECURITY,
    action,
    authority,
    boot_variable,
    driver_config,
    firmware_blob,
    image_load,
    measured,
    partition_table,
    separator,
    signature_list,
    variable_data,
)
from assay.simulator.windows_boot import boundary, flag, windows_boot
from tests.logs import booted, verified

SHA1, SHA256 = HashAlgorithm.SHA1, HashAlgorithm.SHA256
OWNER_TEXT = str(OWNER).upper()


def documented(*events: Event) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(events_document(booted(*events)))["Events"]
    return found


def processed(*events: Event) -> Any:  # noqa: ANN401
    return documented(*events)[-1]["ProcessedData"]


def test_an_event_has_its_digest_place_type_and_data() -> None:
    event = action(4, "words")

    assert documented(event) == [
        {
            "Digests": {"SHA256": encode_base64url(SHA256.digest(b"words"))},
            "EventSeq": 1,
            "EventType": 0x80000007,
            "EventTypeString": "EV_EFI_ACTION",
            "PcrIndex": 4,
            "ProcessedData": {"Data": "words"},
            "RawData": encode_base64url(b"words"),
        }
    ]


def test_members_are_sorted_and_compact() -> None:
    document = events_document(booted(action(4, "words")))

    assert document == json.dumps(json.loads(document), sort_keys=True, separators=(",", ":"))


def test_remarks_are_counted_and_not_shown() -> None:
    remark = Event(pcr=0, type=EventType.EV_NO_ACTION, data=b"remark")

    assert [one["EventSeq"] for one in documented(action(4, "a"), remark, action(4, "b"))] == [1, 3]


def test_what_says_nothing_has_no_name() -> None:
    (event,) = documented(measured(0, EventType.EV_S_CRTM_VERSION, b"1"))

    assert {"EventTypeString", "ProcessedData"}.isdisjoint(event)


def test_a_host_that_has_nothing_to_say_says_null() -> None:
    (event,) = documented(measured(0, EventType.EV_NONHOST_INFO, b""))

    assert event["EventTypeString"] == "EV_NONHOST_INFO"
    assert event["ProcessedData"] is None


def test_variables_have_their_names_where_those_are_covered() -> None:
    order = variable_data("BootOrder", b"\0\0")

    assert processed(driver_config("SecureBoot", b"\1")) == {
        "UnicodeName": "SecureBoot",
        "VariableData": "AQ",
        "VariableGuid": "8BE4DF61-93CA-11D2-AA0D-00E098032B8C",
    }
    assert processed(boot_variable("BootOrder", b"\0\0")) == {"VariableData": "AAA"}
    named = processed(measured(1, EventType.EV_EFI_VARIABLE_BOOT, order))
    assert named["UnicodeName"] == "BootOrder"


def test_the_raw_data_of_variables_that_say_what_to_boot_is_their_value() -> None:
    order = variable_data("BootOrder", b"\0\0")
    entry = OWNER.bytes_le + b"certificate"

    raw = [
        event["RawData"]
        for event in documented(
            boot_variable("BootOrder", b"\0\0"),
            measured(1, EventType.EV_EFI_VARIABLE_BOOT, order),
            separator(7),
            authority("db", entry),
        )
    ]

    assert raw == ["AAA", "AAA", "AAAAAA", encode_base64url(entry)]


def test_databases_of_keys_are_lists_of_signatures() -> None:
    config = driver_config("db", signature_list(OWNER, b"one", b"two"), guid=SECURITY)

    assert processed(config)["VariableData"] == [
        {
            "SignatureType": OWNER_TEXT,
            "SignatureTypeString": "",
            "Signatures": [
                {"SignatureData": encode_base64url(data), "SignatureOwner": OWNER_TEXT}
                for data in (b"one", b"two")
            ],
        }
    ]


def test_an_authority_is_an_entry_or_a_variable() -> None:
    entry = authority("db", OWNER.bytes_le + b"certificate")
    level = authority("SbatLevel", b"sbat", guid=SHIM)

    assert processed(separator(7), entry) == {
        "VariableData": {
            "SignatureData": encode_base64url(b"certificate"),
            "SignatureOwner": OWNER_TEXT,
        }
    }
    assert processed(separator(7), level) == {
        "UnicodeName": "SbatLevel",
        "VariableData": encode_base64url(b"sbat"),
        "VariableGuid": str(SHIM).upper(),
    }


def test_images_and_firmware_have_the_words_of_the_log() -> None:
    image = image_load(b"image")

    assert processed(image) == {
        "DevicePath": {"SubType": 1, "Type": {"String": "ACPI_DEVICE_PATH", "Value": 2}},
        "ImageLengthInMemory": 5,
        "ImageLinkTimeAddress": 0x10000000,
        "ImageLocationInMemory": 0x6E8D3018,
    }
    assert processed(firmware_blob(1, 2, b"x")) == {"BlobBase": 1, "BlobLength": 2}


def test_a_device_of_an_unknown_kind_is_called_so() -> None:
    image = image_load(b"image")
    unknown = Event(
        pcr=4, type=image.type, data=image.data[:32] + b"\x66" + image.data[33:], measured=b"image"
    )

    assert processed(unknown)["DevicePath"]["Type"] == {"String": "Unknown", "Value": 0x66}


def test_a_partition_table_has_its_header_and_entries() -> None:
    found = processed(partition_table("name"))

    assert found["Partitions"][0]["PartitionName"] == "name"
    assert found["Partitions"][0]["StartingLBA"] == 2048
    header = found["UEFIPartitionHeader"]
    assert (header["FirstUseableLBA"], header["LastUseableLBA"]) == (34, 966)
    assert header["Header"]["Revision"] == 0x10000
    assert header["DiskGUID"] == OWNER_TEXT


def test_a_separator_has_its_digest_again() -> None:
    digest = encode_base64url(SHA256.digest(bytes(4)))

    assert processed(separator(0)) == {"CappedHash[SHA256]": digest}


def test_records_of_windows_and_commands_are_what_they_say() -> None:
    assert processed(boundary(19, flag(SipaId.SAFEMODE, value=False))) == {
        "EVENT_TRUSTBOUNDARY": {"EVENT_SAFEMODE": False}
    }
    assert processed(command("grub_cmd: ", "boot")) == {"Data": "boot"}


def test_the_kernels_measurements_are_events() -> None:
    log = verified(grub_boot(), kernel=True)

    last = json.loads(events_document(log))["Events"][-1]

    assert last["EventTypeString"] == "IMA_MEASUREMENT_EVENT"
    assert last["PcrIndex"] == 10
    assert last["ProcessedData"]["KernelVersion"] == "6.8.0-31-generic"


@pytest.mark.parametrize("boot", [windows_boot(), grub_boot(), systemd_boot()])
def test_every_measurement_is_in_the_document(boot: BootDraft) -> None:
    document = json.loads(events_document(verified(boot)))

    assert [one["EventType"] for one in document["Events"]] == [one.type for one in boot.events]


def test_registers_have_their_digests_in_both_spellings() -> None:
    document = json.loads(
        pcrs_document({SHA256: {7: b"\1" * 32, 0: bytes(32)}, SHA1: {7: bytes(20)}})
    )

    assert document == {
        "PCRs": [
            {
                "Index": 0,
                "Digests": {"SHA256": encode_base64url(bytes(32))},
                "DigestsHex": {"SHA256": "00" * 32},
            },
            {
                "Index": 7,
                "Digests": {
                    "SHA1": encode_base64url(bytes(20)),
                    "SHA256": encode_base64url(b"\1" * 32),
                },
                "DigestsHex": {"SHA1": "00" * 20, "SHA256": "01" * 32},
            },
        ]
    }
