"""Any bytes that were measured under a type say something, say nothing, or are refused."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import AssayError
    from assay.evidence.tpm.allowance import Allowance
    from assay.evidence.tpm.content import read_content
    from assay.evidence.tpm.event_log import LogRecord
    from assay.evidence.tpm.ima_entry import read_ima_entry
    from assay.evidence.tpm.ima_log import ImaRecord

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.event_types import EventType
from assay.simulator.linux_boot import grub_boot, kernel_measurements, systemd_boot
from assay.simulator.windows_boot import WindowsState, windows_boot

_TYPES: Final = tuple(EventType)
_TEMPLATES: Final = ("ima-ng", "ima-sig", "ima-modsig", "ima-buf")
_BANK: Final = HashAlgorithm.SHA256
_BOOTS: Final = (windows_boot(WindowsState(modules=1)), grub_boot(), systemd_boot())

SEEDS: Final = (
    *(
        bytes([_TYPES.index(EventType(event.type)), event.pcr]) + event.data
        for boot in _BOOTS
        for event in boot.events
    ),
    *(
        bytes([0xFF, _TEMPLATES.index(measurement.template)]) + measurement.data
        for measurement in kernel_measurements()
    ),
)


def test_one_input(data: bytes) -> None:
    if len(data) < 2:  # noqa: PLR2004  type and register
        return
    kind, pcr, content = data[0], data[1], data[2:]
    try:
        if kind == 0xFF:  # noqa: PLR2004  not a type's place
            template = _TEMPLATES[pcr % len(_TEMPLATES)]
            read_ima_entry(ImaRecord(template, b"\1" * 20, content, content))
        else:
            digests = {_BANK: _BANK.digest(content)}
            number = _TYPES[kind % len(_TYPES)]
            read_content(LogRecord(1, pcr % 24, number, digests, content), Allowance())
    except AssayError as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
