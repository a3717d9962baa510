"""What the data of a measured event says, as far as its digest covers the data.

A digest covers the data of some types only: of the others it is of an image, a file or firmware,
and the data is the log's word. A type is read only in the registers where the profile puts it.

Source: TCG PC Client Platform Firmware Profile 1.06, section 10.4.1; systemd and GRUB for EV_IPL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from assay.encoding import JsonValue
from assay.errors import Finding, MalformedEvidenceError, UntrustedEvidenceError
from assay.evidence.tpm.allowance import Allowance
from assay.evidence.tpm.efi_events import (
    FirmwareBlob,
    ImageLoad,
    PartitionTable,
    parse_firmware_blob,
    parse_image_load,
    parse_partition_table,
)
from assay.evidence.tpm.efi_variable import (
    EVENT_FORMAT,
    SECURITY_GUID,
    Signature,
    SignatureList,
    Variable,
    is_variable,
    parse_authority,
    parse_signature_lists,
    parse_variable,
)
from assay.evidence.tpm.event_log import LogRecord
from assay.evidence.tpm.event_types import EventType, type_name
from assay.evidence.tpm.sipa_values import sipa_members
from assay.evidence.tpm.wbcl import SipaRecord, is_sipa, parse_sipa
from assay.wire import Reader, malformed

EVENT_DATA: Final = "tpm.event_log.event_data"

WINDOWS_PCRS: Final = frozenset({12, 13, 14, 19, 20, 21, 22})
"""Where Windows measures tagged records; 19 to 22 after a dynamic launch."""

SEPARATOR_PCRS: Final = frozenset({*range(8), 11, 12, 13, 14})

_TEXT_PREFIXES: Final = (b"grub_cmd: ", b"kernel_cmdline: ", b"module_cmdline: ")
"""What GRUB writes into the log in front of the text that it measures."""

_EMPTY: Final[frozenset[int]] = frozenset()


class Separator(msgspec.Struct, frozen=True):
    """The end of a stage; the data is covered."""


class DriverConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that configures the boot; the whole is covered."""

    variable: Variable
    signature_lists: tuple[SignatureList, ...] | None
    """Of a database of keys."""


class BootVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable that says what to boot; the whole is covered."""

    variable: Variable


class BootValue(msgspec.Struct, frozen=True):
    """What a variable says about what to boot: of its name nothing is covered."""

    data: bytes


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """What vouched for an image; the whole is covered."""

    variable: Variable
    signature: Signature | None
    """The entry of a database; nothing for variables of boot loaders and bare certificates."""


class Text(msgspec.Struct, frozen=True):
    """Words that are covered: an action of the firmware, a command, a kernel's command line."""

    text: str


class WindowsRecords(msgspec.Struct, frozen=True, kw_only=True):
    """Tagged records of Windows; all of them are covered."""

    records: tuple[SipaRecord, ...]
    members: Mapping[str, JsonValue]
    """As MAA names them."""


class Nothing(msgspec.Struct, frozen=True):
    """The remark of a host that it has nothing to say."""


class ImaEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement of the kernel; the whole is covered."""

    members: Mapping[str, JsonValue]


Content = (
    Separator
    | DriverConfig
    | BootVariable
    | BootValue
    | Authority
    | ImageLoad
    | FirmwareBlob
    | PartitionTable
    | Text
    | WindowsRecords
    | Nothing
    | ImaEntry
)


def read_content(record: LogRecord, allowance: Allowance) -> Content | None:
    """What a measurement says, or nothing where the type says nothing in this register.

    Raises:
        UntrustedEvidenceError: Data that its digest should cover is not what was measured.
        MalformedEvidenceError: Covered data does not follow its format.
    """
    read, pcrs, covered = _TYPES.get(record.type, _UNKNOWN)
    if covered and not covers(record, record.data):
        raise _uncovered(record)
    return read(record, allowance) if record.pcr in pcrs else None


def covers(record: LogRecord, data: bytes) -> bool:
    """Whether every digest of a record is of these bytes."""
    return all(bank.digest(data) == digest for bank, digest in record.digests.items())


def _uncovered(record: LogRecord) -> UntrustedEvidenceError:
    what = f"event {record.sequence}, {type_name(record.type)} of PCR {record.pcr}"
    finding = Finding(
        check=EVENT_DATA,
        expected="the digest of an event to be of its data",
        actual=f"other data in {what}",
        hint="the log was edited, or the event was given another type",
    )
    return UntrustedEvidenceError(f"{what}, does not hold what was measured", findings=[finding])


def _separator(*_: object) -> Content | None:
    return Separator()


def _driver_config(record: LogRecord, allowance: Allowance) -> Content | None:
    variable = parse_variable(record.data)
    lists = parse_signature_lists(variable.data, allowance) if variable.is_key_database else None
    return DriverConfig(variable=variable, signature_lists=lists)


def _boot_variable(record: LogRecord, _: Allowance) -> Content | None:
    """Firmware of most makers measures the variable's data without its name."""
    whole = covers(record, record.data)
    if not is_variable(record.data):
        if not whole:
            raise _uncovered(record)
        return BootValue(record.data)
    variable = parse_variable(record.data)
    if not whole and not covers(record, variable.data):
        raise _uncovered(record)
    return BootVariable(variable=variable) if whole else BootValue(variable.data)


def _authority(record: LogRecord, _: Allowance) -> Content | None:
    """Some boot loaders (shim 15) log a byte more than they measure."""
    data = record.data
    if not covers(record, data):
        data = Reader(data, "variable", check=EVENT_FORMAT).octets(len(data) - 1, "data")
        if not covers(record, data):
            raise _uncovered(record)
    variable = parse_variable(data, with_tail=True)
    is_entry = variable.guid == SECURITY_GUID
    return Authority(
        variable=variable, signature=parse_authority(variable.data) if is_entry else None
    )


def _image(record: LogRecord, _: Allowance) -> Content | None:
    return _described(parse_image_load, record.data)


def _blob(record: LogRecord, _: Allowance) -> Content | None:
    return _described(parse_firmware_blob, record.data)


def _described(parse: Callable[[bytes], Content], data: bytes) -> Content | None:
    """What the log says of something whose digest it gives; no digest stands for the words."""
    try:
        return parse(data)
    except MalformedEvidenceError:
        return None


def _partitions(record: LogRecord, allowance: Allowance) -> Content | None:
    return parse_partition_table(record.data, allowance)


def _action(record: LogRecord, _: Allowance) -> Content | None:
    try:
        return Text(record.data.rstrip(b"\0").decode("ascii"))
    except UnicodeDecodeError as error:
        what = f"{type_name(record.type)} of PCR {record.pcr}"
        raise malformed(EVENT_FORMAT, f"words in ASCII for {what}", "other bytes") from error


def _nonhost(record: LogRecord, _: Allowance) -> Content | None:
    return None if record.data else Nothing()


def _tagged(record: LogRecord, allowance: Allowance) -> Content | None:
    if not is_sipa(record.data):
        return None
    if not covers(record, record.data):
        raise _uncovered(record)
    records = parse_sipa(record.data, allowance)
    return WindowsRecords(records=records, members=sipa_members(records))


def _loader_text(record: LogRecord, _: Allowance) -> Content | None:
    """GRUB's commands and the command lines of kernels; names of files that it measured are not."""
    text = record.data.removesuffix(b"\0")
    for prefix in _TEXT_PREFIXES:
        # The prefix is in no digest: it could as well be another one.
        if text.startswith(prefix) and covers(record, text.removeprefix(prefix)):
            return _decoded(text.removeprefix(prefix), "utf-8")
    if covers(record, record.data):
        # systemd's loader and stub measure UTF-16 with its end.
        return _decoded(record.data, "utf-16-le" if b"\0" in text else "utf-8")
    return None


def _decoded(data: bytes, encoding: str) -> Content | None:
    try:
        return Text(data.decode(encoding).removesuffix("\0"))
    except UnicodeDecodeError:
        return None


_Reader = Callable[[LogRecord, Allowance], Content | None]
_Row = tuple[_Reader, frozenset[int], bool]
"""How to read the data, in which registers, and whether a digest must cover it in all of them."""

_IMAGES: Final[_Row] = (_image, frozenset({2, 4}), False)
_UNKNOWN: Final[_Row] = (_nonhost, _EMPTY, False)
_TYPES: Final[Mapping[int, _Row]] = {
    EventType.EV_SEPARATOR: (_separator, SEPARATOR_PCRS, True),
    EventType.EV_EVENT_TAG: (_tagged, WINDOWS_PCRS, False),
    EventType.EV_IPL: (_loader_text, frozenset({8, 9, 11, 12, 14}), False),
    EventType.EV_NONHOST_INFO: (_nonhost, frozenset({0}), False),
    EventType.EV_EFI_VARIABLE_DRIVER_CONFIG: (_driver_config, frozenset({1, 3, 5, 7}), True),
    EventType.EV_EFI_VARIABLE_BOOT: (_boot_variable, frozenset({1}), False),
    EventType.EV_EFI_VARIABLE_BOOT2: (_boot_variable, frozenset({1}), True),
    EventType.EV_EFI_BOOT_SERVICES_APPLICATION: _IMAGES,
    EventType.EV_EFI_BOOT_SERVICES_DRIVER: _IMAGES,
    EventType.EV_EFI_RUNTIME_SERVICES_DRIVER: _IMAGES,
    EventType.EV_EFI_GPT_EVENT: (_partitions, frozenset({5}), True),
    EventType.EV_EFI_ACTION: (_action, frozenset({4, 5, 7}), True),
    EventType.EV_EFI_PLATFORM_FIRMWARE_BLOB: (_blob, frozenset({0, 2, 4}), False),
    EventType.EV_EFI_VARIABLE_AUTHORITY: (_authority, frozenset({7}), False),
}
