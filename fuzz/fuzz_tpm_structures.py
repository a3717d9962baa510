"""Any bytes are a structure that a TPM or a secure kernel writes, or refused."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import MalformedEvidenceError
    from assay.evidence.tpm.attest import parse_certification, parse_quote
    from assay.evidence.tpm.enclave import parse_enclave_report
    from assay.evidence.tpm.platform_claim import parse_platform_claim
    from assay.evidence.tpm.public import parse_public
    from assay.evidence.tpm.signature import parse_signature

from assay.encoding import decode_base64url
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.simulator.tpm.enclave import EnclaveDraft
from assay.simulator.tpm.platform import SimulatedTpm, untouched_pcrs
from assay.simulator.tpm.request import Measurements, platform_claim
from fuzz.simulated import AT

_TPM: Final = SimulatedTpm.create(AT)
_QUOTE: Final = _TPM.quote({HashAlgorithm.SHA256: untouched_pcrs()}, bytes(32))
_PARSERS: Final = (
    parse_quote,
    parse_certification,
    parse_signature,
    parse_public,
    parse_platform_claim,
    parse_enclave_report,
)

SEEDS: Final = (
    _QUOTE.attest,
    _QUOTE.signature,
    _TPM.certify(_TPM.key_public(), bytes(16)).attest,
    _TPM.aik_public,
    _TPM.key_public(),
    decode_base64url(platform_claim(_TPM, Measurements(), bytes(16)), "claim"),
    EnclaveDraft(data=bytes(64)).sign(_TPM.root_key),
)


def test_one_input(data: bytes) -> None:
    for parse in _PARSERS:
        try:
            parse(data)
        except MalformedEvidenceError as error:
            if not error.findings:
                raise AssertionError("refused without a finding") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
