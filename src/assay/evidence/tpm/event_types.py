"""The types of measured events.

An event's type is in no digest: whoever hands a log over can call a measurement by another type.
A type is a fact only together with the register that it belongs to and data that the digest covers.

Source: TCG PC Client Platform Firmware Profile 1.06, section 10.4.1.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Final


@unique
class EventType(IntEnum):
    """The types that real logs hold, named as the standard and MAA name them."""

    EV_PREBOOT_CERT = 0x00
    EV_POST_CODE = 0x01
    EV_NO_ACTION = 0x03
    EV_SEPARATOR = 0x04
    EV_ACTION = 0x05
    EV_EVENT_TAG = 0x06
    EV_S_CRTM_CONTENTS = 0x07
    EV_S_CRTM_VERSION = 0x08
    EV_CPU_MICROCODE = 0x09
    EV_PLATFORM_CONFIG_FLAGS = 0x0A
    EV_TABLE_OF_DEVICES = 0x0B
    EV_COMPACT_HASH = 0x0C
    EV_IPL = 0x0D
    EV_IPL_PARTITION_DATA = 0x0E
    EV_NONHOST_CODE = 0x0F
    EV_NONHOST_CONFIG = 0x10
    EV_NONHOST_INFO = 0x11
    EV_OMIT_BOOT_DEVICE_EVENTS = 0x12
    EV_POST_CODE2 = 0x13
    IMA_MEASUREMENT_EVENT = 0x14
    """MAA's own: a record of the kernel's integrity measurement log, never of a firmware's log."""

    EV_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001
    EV_EFI_VARIABLE_BOOT = 0x80000002
    EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003
    EV_EFI_BOOT_SERVICES_DRIVER = 0x80000004
    EV_EFI_RUNTIME_SERVICES_DRIVER = 0x80000005
    EV_EFI_GPT_EVENT = 0x80000006
    EV_EFI_ACTION = 0x80000007
    EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008
    EV_EFI_HANDOFF_TABLES = 0x80000009
    EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000A
    EV_EFI_HANDOFF_TABLES2 = 0x8000000B
    EV_EFI_VARIABLE_BOOT2 = 0x8000000C
    EV_EFI_GPT_EVENT2 = 0x8000000D
    EV_EFI_HCRTM_EVENT = 0x80000010
    EV_EFI_VARIABLE_AUTHORITY = 0x800000E0
    EV_EFI_SPDM_FIRMWARE_BLOB = 0x800000E1
    EV_EFI_SPDM_FIRMWARE_CONFIG = 0x800000E2
    EV_EFI_SPDM_DEVICE_POLICY = 0x800000E3
    EV_EFI_SPDM_DEVICE_AUTHORITY = 0x800000E4


_NAMES: Final = {kind.value: kind.name for kind in EventType}


def type_name(number: int) -> str:
    """The standard's name of a type, or its number."""
    return _NAMES.get(number, f"0x{number:08X}")
