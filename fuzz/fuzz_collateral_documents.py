"""Any served bytes are a document of a set, with a label, or `CollateralUnavailableError`."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from assay.encoding import JsonValue, encode_json
    from assay.endorsements.documents import read_crl, read_issuer_chain, split_signed
    from assay.endorsements.label import read_label
    from assay.endorsements.stored import read_stored, write_stored
    from assay.errors import CollateralUnavailableError

from assay.simulator.tcb import signed_body
from fuzz.simulated import AT, PLATFORM

COLLATERAL: Final = PLATFORM.collateral(AT)
SIGNED: Final = signed_body("tcbInfo", COLLATERAL.tcb_info, COLLATERAL.tcb_info_signature)

SEEDS: Final = (
    SIGNED,
    b'{ "signature" : "00" , "tcb\\u0049nfo" : {"}":"\\"{"} }',
    COLLATERAL.tcb_info,
    COLLATERAL.qe_identity,
    COLLATERAL.pck_crl,
    COLLATERAL.pck_crl.hex().encode(),
    b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
    COLLATERAL.pck_crl_issuer_chain,
    b"-----BEGIN%20CERTIFICATE-----%0AMAA%3D%0A-----END%20CERTIFICATE-----%0A",
    encode_json(dict[str, JsonValue](write_stored(COLLATERAL))),
)


def test_one_input(data: bytes) -> None:
    with suppress(CollateralUnavailableError):
        document, _ = split_signed(data, "tcbInfo", origin="input")
        if document not in data:
            raise AssertionError("not the bytes that were signed")
    with suppress(CollateralUnavailableError):
        read_crl(data, "dcap.pck_crl", origin="input")
    with suppress(CollateralUnavailableError):
        read_issuer_chain(data, "dcap.pck_crl_chain", origin="input")
    # Labels parse everything each time: only what may be the document goes in its place.
    for name in ("tcb_info", "qe_identity") if data.startswith(b"{") else ("pck_crl",):
        with suppress(CollateralUnavailableError):
            read_label(replace(COLLATERAL, **{name: data}), origin="input")
    with suppress(CollateralUnavailableError):
        stored = read_stored(data, origin="input")
        again = encode_json(dict[str, JsonValue](write_stored(stored)))
        if read_stored(again, origin="again") != stored:
            raise AssertionError("not the same after writing and reading")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
