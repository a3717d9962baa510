"""Any bytes are an enclave identity that a QE can be held against, or `EncodingError`."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.encoding import EncodingError, encode_json
    from assay.endorsements.tcb import parse_enclave_identity
    from assay.errors import UntrustedEvidenceError
    from assay.evidence.dcap.trust import check_qe_identity
    from assay.evidence.sgx import parse_quote

from fuzz.simulated import AT, PLATFORM

_REPORT: Final = parse_quote(PLATFORM.quote()).body

SEEDS: Final = (
    encode_json(PLATFORM.qe_identity(AT)),
    encode_json(PLATFORM.qe_identity(AT)).replace(b'"QE"', b'"TD_QE"'),
    encode_json(PLATFORM.qe_identity(AT)).lower(),
)


def test_one_input(data: bytes) -> None:
    try:
        identity = parse_enclave_identity(data)
    except EncodingError:
        return
    versions = [level.isv_svn for level in identity.levels]
    if not versions or versions != sorted(versions, reverse=True):
        raise AssertionError("levels out of order")
    try:
        check_qe_identity(_REPORT, identity)
    except UntrustedEvidenceError:
        return
    if identity.mr_signer != _REPORT.mr_signer:
        raise AssertionError("another signer's enclave passed")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
