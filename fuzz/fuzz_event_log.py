"""Any bytes are logs that lead to some registers, or refused; what is believed, is documented."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.encoding import parse_json_object
    from assay.errors import AssayError, MalformedEvidenceError
    from assay.evidence.tpm.boot_claims import boot_claims
    from assay.evidence.tpm.documents import events_document
    from assay.evidence.tpm.event_log import parse_event_log
    from assay.evidence.tpm.ima_log import parse_ima_log
    from assay.evidence.tpm.log_verify import verify_event_logs
    from assay.evidence.tpm.replay import MeasurementLog, replay

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.simulator.linux_boot import grub_boot, kernel_measurements, systemd_boot
from assay.simulator.windows_boot import WindowsState, windows_boot

_SMALL: Final = windows_boot(WindowsState(modules=1)).encode()

SEEDS: Final = (
    b"\0" + _SMALL,
    b"\0" + systemd_boot().encode(),
    b"\0" + grub_boot().encode() + bytes(16),
    b"\1" + b"".join(one.encode() for one in kernel_measurements()),
)
_ALL: Final = frozenset(HashAlgorithm)


def test_one_input(data: bytes) -> None:
    kind, content = data[:1], data[1:]
    try:
        log: MeasurementLog = parse_ima_log(content) if kind == b"\1" else parse_event_log(content)
    except MalformedEvidenceError as error:
        _check(error)
        return
    # A machine whose registers are what the log says: only the rest can be wrong with it.
    try:
        quoted = {bank: replay([log], bank) for bank in getattr(log, "banks", _ALL)}
        measured = verify_event_logs([log], quoted, accepted=_ALL)
    except AssayError as error:
        _check(error)
        return
    document = parse_json_object(events_document(measured).encode(), "events", max_depth=64)
    events = document["Events"]
    if not isinstance(events, list) or len(events) != len(measured.events):
        raise AssertionError("an event is not documented")
    if len(boot_claims(measured)) != 6:  # noqa: PLR2004  three states and three switches
        raise AssertionError("a claim is missing")


def _check(error: AssayError) -> None:
    if not error.findings:
        raise AssertionError("refused without a finding") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
