"""Any bytes are a TCB info that a platform can be held against, or `EncodingError`."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.encoding import EncodingError, encode_json
    from assay.endorsements.tcb import COMPONENT_COUNT, parse_tcb_info
    from assay.errors import UntrustedEvidenceError
    from assay.evidence.dcap.tcb import match_platform_level
    from assay.x509 import read_sgx_extensions

from fuzz.simulated import AT, PLATFORM

_EXTENSIONS: Final = read_sgx_extensions(PLATFORM.pck.certificate, check="dcap.pck_chain")

SEEDS: Final = (
    encode_json(PLATFORM.tcb_info(AT)),
    encode_json(PLATFORM.with_settings(tcb_info_version=2).tcb_info(AT)),
    encode_json(PLATFORM.tcb_info(AT)).replace(b'"SGX"', b'"TDX"'),
)


def test_one_input(data: bytes) -> None:
    try:
        info = parse_tcb_info(data)
    except EncodingError:
        return
    if not all(len(level.components) == COMPONENT_COUNT for level in info.levels):
        raise AssertionError("components of another number")
    ranks = [(level.components, level.pcesvn, level.tdx_components or b"") for level in info.levels]
    if ranks != sorted(ranks, reverse=True):
        raise AssertionError("levels out of order")
    try:
        level = match_platform_level(_EXTENSIONS, info)
    except UntrustedEvidenceError:
        return
    if level.pcesvn > _EXTENSIONS.pcesvn:
        raise AssertionError("a level that the platform does not reach")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
