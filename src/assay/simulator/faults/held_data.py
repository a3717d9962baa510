"""Faults of the data that is sent beside evidence: the evidence vouches for something else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from assay.appraisal.bindings import HeldData, HeldDataType
from assay.simulator.faults.attempt import Attempt, Fault, attempt
from assay.simulator.quote import FLAG_INITIALIZED, FLAG_KSS, FLAG_MODE64
from assay.simulator.sgx import SimulatedPlatform

_RUNTIME_BINDING: Final = "appraisal.runtime_data.binding"
_RUNTIME_FORMAT: Final = "appraisal.runtime_data.format"
_INIT_TIME_BINDING: Final = "appraisal.init_time_data.binding"
_INIT_TIME_FORMAT: Final = "appraisal.init_time_data.format"

_Apply = Callable[[SimulatedPlatform], Attempt]

_DATA: Final = b'{"key":"value"}'
_BOUND: Final = hashlib.sha256(_DATA).digest()


def _runtime(
    report_data: bytes, data: bytes = _DATA, kind: HeldDataType = HeldDataType.BINARY
) -> _Apply:
    return lambda platform: replace(
        attempt(platform, evidence=platform.quote(report_data=report_data)),
        runtime_data=HeldData(data, kind),
    )


def _init_time(
    config_id: bytes,
    data: bytes = _DATA,
    kind: HeldDataType = HeldDataType.BINARY,
    **fields: Any,  # noqa: ANN401  of EnclaveReport
) -> _Apply:
    flags = {"flags": FLAG_INITIALIZED | FLAG_MODE64 | FLAG_KSS} | fields

    def apply(platform: SimulatedPlatform) -> Attempt:
        quote = platform.quote(config_id=config_id.ljust(64, b"\0"), **flags)
        return replace(attempt(platform, evidence=quote), init_time_data=HeldData(data, kind))

    return apply


def _malformed(text: bytes) -> tuple[bytes, bytes, HeldDataType]:
    """Properly bound data that says JSON and is not."""
    return hashlib.sha256(text).digest(), text, HeldDataType.JSON


HELD_DATA_FAULTS: Final = (
    Fault(
        "runtime-data-other",
        "runtime data other than the bound",
        _RUNTIME_BINDING,
        _runtime(_BOUND, _DATA + b" "),
    ),
    Fault(
        "runtime-data-unbound",
        "runtime data beside report data of zeros",
        _RUNTIME_BINDING,
        _runtime(b""),
    ),
    Fault(
        "runtime-data-second-half",
        "the right hash in the second half of the report data",
        _RUNTIME_BINDING,
        _runtime(bytes(32) + _BOUND),
    ),
    Fault(
        "runtime-data-unhashed",
        "the data itself in the report data",
        _RUNTIME_BINDING,
        _runtime(_DATA),
    ),
    Fault(
        "runtime-data-sha512",
        "the first half of another hash",
        _RUNTIME_BINDING,
        _runtime(hashlib.sha512(_DATA).digest()),
    ),
    Fault(
        "runtime-data-empty",
        "empty runtime data beside report data of zeros",
        _RUNTIME_BINDING,
        _runtime(b"", b""),
    ),
    Fault(
        "runtime-data-not-json",
        "bound data of type JSON that is none",
        _RUNTIME_FORMAT,
        _runtime(*_malformed(b"{")),
    ),
    Fault(
        "runtime-data-array",
        "bound data of type JSON that is no object",
        _RUNTIME_FORMAT,
        _runtime(*_malformed(b"[]")),
    ),
    Fault(
        "runtime-data-duplicate-name",
        "bound data of type JSON with a name twice",
        _RUNTIME_FORMAT,
        _runtime(*_malformed(b'{"a":1,"a":2}')),
    ),
    Fault(
        "init-time-data-other",
        "init-time data other than the bound",
        _INIT_TIME_BINDING,
        _init_time(_BOUND, _DATA + b" "),
    ),
    Fault(
        "init-time-data-unbound",
        "init-time data beside a configuration id of zeros",
        _INIT_TIME_BINDING,
        _init_time(b""),
    ),
    Fault(
        "init-time-data-tail",
        "a configuration id that goes on behind the hash",
        _INIT_TIME_BINDING,
        _init_time(_BOUND + b"\1"),
    ),
    Fault(
        "init-time-data-without-kss",
        "a configuration id in an enclave that has none by its attributes",
        _INIT_TIME_BINDING,
        _init_time(_BOUND, flags=FLAG_INITIALIZED | FLAG_MODE64),
    ),
    Fault(
        "init-time-data-not-json",
        "bound data of type JSON that is none",
        _INIT_TIME_FORMAT,
        _init_time(*_malformed(b"nothing")),
    ),
)
