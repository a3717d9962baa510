"""Any bytes are what an owner sends, in any wrapping and by the right signer, or `TokenError`."""

from __future__ import annotations

import json
import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import TokenError
    from assay.server.maa.owner_body import unwrap_owner_body
    from assay.token import (
        certificate_payload,
        policy_payload,
        read_certificate,
        read_owner_token,
        read_policy_text,
        sign_owner_token,
        unsecured_owner_token,
    )

from fuzz.simulated import PLATFORM

_ROOT: Final = PLATFORM.pki.root_ca
_PARAMETER: Final = "newAttestationPolicy"
_TEXT: Final = "version= 1.0;authorizationrules{=> permit();};"
_SIGNED: Final = sign_owner_token(policy_payload(_TEXT), _ROOT.key, [_ROOT.certificate])
_SIGNED_PAYLOADS: Final = (policy_payload(_TEXT), certificate_payload(_ROOT.certificate))

SEEDS: Final = (
    b"eyJhbGciOiJub25lIn0..",
    unsecured_owner_token(policy_payload(_TEXT)).encode(),
    _SIGNED.encode(),
    json.dumps(_SIGNED).encode(),
    json.dumps({_PARAMETER: _SIGNED}).encode(),
    sign_owner_token(
        certificate_payload(_ROOT.certificate), _ROOT.key, [_ROOT.certificate]
    ).encode(),
    b'"eyJhbGciOiJub25lIn0.e30."',
)


def test_one_input(data: bytes) -> None:
    try:
        token = read_owner_token(unwrap_owner_body(data, _PARAMETER))
    except TokenError as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error
        return
    ours = token.signed and token.certificates[0].public_key() == _ROOT.certificate.public_key()
    if ours and token.payload not in _SIGNED_PAYLOADS:
        raise AssertionError("a forged signature")
    for read in (read_policy_text, read_certificate):
        try:
            read(token)
        except TokenError as error:
            if not error.findings:
                raise AssertionError("refused without a finding") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
