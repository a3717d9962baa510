"""Any payload is a request whose quote verifies, or refused.

The JWS around it is made here: a signature would end nearly everything before it is read.
"""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import MalformedEvidenceError, UntrustedEvidenceError
    from assay.evidence.tpm.request_parse import parse_tpm_request
    from assay.evidence.tpm.request_verify import RequestRules, verify_request
    from assay.evidence.tpm.verify import QuoteRules

from assay.encoding import encode_base64url, encode_json
from assay.simulator.tpm.platform import SimulatedTpm
from assay.simulator.tpm.request import CHALLENGE, draft_v1, draft_v2
from fuzz.simulated import AT

_TPM: Final = SimulatedTpm.create(AT)
_RULES: Final = RequestRules(
    challenge=CHALLENGE,
    anchors=_TPM.anchors,
    require_aik_certificate=True,
    quote=QuoteRules(),
    at=AT,
)

SEEDS: Final = tuple(
    encode_json(draft.payload)
    for draft in (draft_v1(_TPM), draft_v2(_TPM), draft_v2(_TPM, certified=True))
)


def test_one_input(data: bytes) -> None:
    for version in ("attReq", "attReqV2"):
        header = encode_base64url(encode_json({"alg": "PS256", "typ": version}))
        try:
            request = parse_tpm_request(f"{header}.{encode_base64url(data)}.AAAA")
            verify_request(request, _RULES)
        except (MalformedEvidenceError, UntrustedEvidenceError) as error:
            if not error.findings:
                raise AssertionError("refused without a finding") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
