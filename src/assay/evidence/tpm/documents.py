"""What the logs and registers of a TPM say, as the JSON that policies of version 1.2 ask.

Members, spellings and encodings are those of MAA where it has shown them; members are sorted, as it
writes them. `docs/tpm-event-logs.md` says which are Assay's own.

Source: MAA, "TPM attestation" and "Attestation policy version 1.2"; a token that it issued.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, assert_never

from assay.encoding import JsonValue, encode_base64url, encode_json_sorted
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.content import (
    Authority,
    BootValue,
    BootVariable,
    Content,
    DriverConfig,
    ImaEntry,
    Nothing,
    Separator,
    Text,
    WindowsRecords,
)
from assay.evidence.tpm.efi_events import FirmwareBlob, ImageLoad, Partition, PartitionTable
from assay.evidence.tpm.efi_variable import Signature, SignatureList, Variable
from assay.evidence.tpm.event_types import type_name
from assay.evidence.tpm.measured_log import MeasuredEvent, MeasuredLog

_DEVICE_TYPES: Final = {
    0x01: "HARDWARE_DEVICE_PATH",
    0x02: "ACPI_DEVICE_PATH",
    0x03: "MESSAGING_DEVICE_PATH",
    0x04: "MEDIA_DEVICE_PATH",
    0x05: "BBS_DEVICE_PATH",
    0x7F: "END_DEVICE_PATH_TYPE",
}


def events_document(log: MeasuredLog) -> str:
    """The claims `events` and `bootEvents`: every measurement in a quoted register."""
    events: list[JsonValue] = [_event(event, log.bank) for event in log.events]
    return encode_json_sorted({"Events": events}).decode()


def pcrs_document(quoted: Mapping[HashAlgorithm, Mapping[int, bytes]]) -> str:
    """The claim `pcrs`: the registers of a verified quote, in all banks.

    Published policies compare digests both as base64url and as hexadecimal text: each is here.
    """
    numbers = sorted({number for values in quoted.values() for number in values})
    registers: list[JsonValue] = [_register(number, quoted) for number in numbers]
    return encode_json_sorted({"PCRs": registers}).decode()


def _register(number: int, quoted: Mapping[HashAlgorithm, Mapping[int, bytes]]) -> JsonValue:
    digests = {bank.name: values[number] for bank, values in quoted.items() if number in values}
    return {
        "Index": number,
        "Digests": {bank: encode_base64url(digest) for bank, digest in digests.items()},
        "DigestsHex": {bank: digest.hex() for bank, digest in digests.items()},
    }


def _event(event: MeasuredEvent, bank: HashAlgorithm) -> JsonValue:
    members: dict[str, JsonValue] = {
        "Digests": {bank.name: encode_base64url(event.digest)},
        "EventSeq": event.sequence,
        "EventType": event.type,
        "PcrIndex": event.pcr,
        "RawData": encode_base64url(_raw_data(event)),
    }
    if event.content is not None:
        members["EventTypeString"] = type_name(event.type)
        members["ProcessedData"] = _processed(event.content, event, bank)
    return members


def _raw_data(event: MeasuredEvent) -> bytes:
    """The event's data; of two kinds of variable MAA shows the value alone."""
    match event.content:
        case BootValue(data=data):
            return data
        case BootVariable(variable=variable) | Authority(variable=variable):
            return variable.data
        case _:
            return event.data


def _processed(content: Content, event: MeasuredEvent, bank: HashAlgorithm) -> JsonValue:
    match content:
        case Separator():
            return {f"CappedHash[{bank.name}]": encode_base64url(event.digest)}
        case Nothing():
            return None
        case Text(text=text):
            return {"Data": text}
        case WindowsRecords(members=members) | ImaEntry(members=members):
            return dict(members)
        case DriverConfig() | BootVariable() | BootValue() | Authority():
            return _variable(content)
        case ImageLoad() | FirmwareBlob() | PartitionTable():
            return _described(content)
        case _:
            assert_never(content)


def _variable(content: DriverConfig | BootVariable | BootValue | Authority) -> JsonValue:
    match content:
        case BootValue(data=data):
            return {"VariableData": encode_base64url(data)}
        case Authority(variable=variable, signature=signature):
            return (
                _named(variable) if signature is None else {"VariableData": _signature(signature)}
            )
        case BootVariable(variable=variable):
            return _named(variable)
        case DriverConfig(variable=variable, signature_lists=lists):
            members = _named(variable)
            if lists is not None:
                members["VariableData"] = [_signature_list(one) for one in lists]
            return members
        case _:
            assert_never(content)


def _named(variable: Variable) -> dict[str, JsonValue]:
    return {
        "UnicodeName": variable.name,
        "VariableGuid": variable.guid,
        "VariableData": encode_base64url(variable.data),
    }


def _signature_list(one: SignatureList) -> JsonValue:
    return {
        "SignatureType": one.type,
        "SignatureTypeString": one.type_name,
        "Signatures": [_signature(signature) for signature in one.signatures],
    }


def _signature(signature: Signature) -> JsonValue:
    return {
        "SignatureData": encode_base64url(signature.data),
        "SignatureOwner": signature.owner,
    }


def _described(content: ImageLoad | FirmwareBlob | PartitionTable) -> JsonValue:
    match content:
        case ImageLoad():
            name = _DEVICE_TYPES.get(content.device_type, "Unknown")
            return {
                "DevicePath": {
                    "SubType": content.device_sub_type,
                    "Type": {"String": name, "Value": content.device_type},
                },
                "ImageLengthInMemory": content.length,
                "ImageLinkTimeAddress": content.link_time_address,
                "ImageLocationInMemory": content.location,
            }
        case FirmwareBlob():
            return {"BlobBase": content.base, "BlobLength": content.length}
        case PartitionTable():
            return {
                "Partitions": [_partition(one) for one in content.partitions],
                "UEFIPartitionHeader": _table_header(content),
            }
        case _:
            assert_never(content)


def _table_header(table: PartitionTable) -> JsonValue:
    return {
        "AlternateLBA": table.alternate_lba,
        "DiskGUID": table.disk_guid,
        # MAA's spelling of these two.
        "FirstUseableLBA": table.first_usable_lba,
        "LastUseableLBA": table.last_usable_lba,
        "Header": {
            "CRC32": table.crc32,
            "HeaderSize": table.header_size,
            "Revision": table.revision,
            "Signature": table.signature,
        },
        "MyLBA": table.my_lba,
        "NumberOfPartitionEntries": table.number_of_entries,
        "PartitionEntryArrayCRC32": table.array_crc32,
        "PartitionEntryLBA": table.partition_entry_lba,
        "SizeOfPartitionEntry": table.size_of_entry,
    }


def _partition(partition: Partition) -> JsonValue:
    return {
        "Attributes": partition.attributes,
        "EndingLBA": partition.ending_lba,
        "PartitionName": partition.name,
        "PartitionTypeGUID": partition.type_guid,
        "StartingLBA": partition.starting_lba,
        "UniquePartitionGUID": partition.unique_guid,
    }
