"""Any bytes are the issuer's own CRL or a finding."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import UntrustedEvidenceError
    from assay.x509 import subject_public_key, verify_crl

from fuzz.simulated import AT, PLATFORM

_CA: Final = PLATFORM.pki.platform_ca
_PROFILE: Final = PLATFORM.pck_crl_profile(AT)

SEEDS: Final = (
    _PROFILE.sign(_CA.key),
    replace(_PROFILE, revoked=(1, 2**159 - 1)).sign(_CA.key),
    PLATFORM.root_ca_crl(AT),
)


def test_one_input(data: bytes) -> None:
    try:
        verify_crl(
            data,
            issuer=_CA.certificate.subject,
            issuer_key=_CA.key.public_key(),
            issuer_spki=subject_public_key(_CA.certificate),
            check="dcap.pck_crl",
            label="PCK CRL",
        )
    except UntrustedEvidenceError as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error
        return
    # ECDSA signatures have a twin; all that they cover is the issuer's word.
    if not any(data[:-80] == seed[:-80] for seed in SEEDS):
        raise AssertionError("a forged list")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
