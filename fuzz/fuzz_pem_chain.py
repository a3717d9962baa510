"""Any bytes are a chain under the pinned root, made of its certificates, or a finding."""

from __future__ import annotations

import base64
import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.errors import UntrustedEvidenceError
    from assay.evidence.dcap.pck import PCK_CHAIN
    from assay.x509 import read_pem_chain, verify_chain

from fuzz.simulated import PLATFORM

_PKI: Final = PLATFORM.pki
_GENUINE: Final = (
    PLATFORM.pck.certificate,
    _PKI.platform_ca.certificate,
    _PKI.root_ca.certificate,
)

SEEDS: Final = (
    b"\0" + PLATFORM.pck_chain,
    b"\0" + PLATFORM.pck_chain.replace(b"\n", b"\r\n"),
    b"\0" + PLATFORM.pck.pem + b"subject=x\n",
    b"\1" + PLATFORM.pck.der,
    b"\1" + _PKI.platform_ca.der,
    b"\1" + _PKI.tcb_signing.der,
)


def test_one_input(data: bytes) -> None:
    # After a first byte of 1 comes DER: mutations of base64 seldom reach the certificate's parser.
    if data[:1] == b"\1":
        body = base64.b64encode(data[1:])
        rest = _PKI.platform_ca.pem + _PKI.root_ca.pem
        pem = b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n" + rest
    else:
        pem = data[1:]
    try:
        chain = verify_chain(read_pem_chain(pem, PCK_CHAIN), PCK_CHAIN, anchors=PLATFORM.anchors)
    except UntrustedEvidenceError as error:
        if not error.findings:
            raise AssertionError("refused without a finding") from error
        return
    if chain.certificates != _GENUINE:
        raise AssertionError("a forged certificate")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
