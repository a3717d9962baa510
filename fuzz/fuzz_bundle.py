"""Any bytes are a bundle as the export writes it, or `CollateralUnavailableError`."""

from __future__ import annotations

import sys
from typing import Final

import atheris

with atheris.instrument_imports(include=["assay"]):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from assay.endorsements.bundle import BundleEntry, export_bundle, open_bundle
    from assay.errors import CollateralUnavailableError

from fuzz.simulated import AT, PLATFORM

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ENTRIES: Final = tuple(
    BundleEntry(collateral=platform.collateral(AT), source="a fuzzer", fetched_at=AT)
    for platform in (PLATFORM, PLATFORM.with_settings(fmspc=b"others"))
)
SIGNED: Final = export_bundle(ENTRIES, signing_key=KEY)

SEEDS: Final = (
    SIGNED,
    export_bundle(ENTRIES),
    export_bundle(ENTRIES[:1]),
    b'{"assay_bundle":1,"entries":1}\n{}\n{"signature":null}\n',
    b'{"assay_bundle":1,"entries":9}\n\n\n',
)


def test_one_input(data: bytes) -> None:
    try:
        opened = open_bundle(data)
    except CollateralUnavailableError:
        return
    written = export_bundle(opened.entries).split(b"\n")
    found = data.split(b"\n")
    at_signature = 1 + len(opened.entries)
    if written[:at_signature] + written[at_signature + 1 :] != (
        found[:at_signature] + found[at_signature + 1 :]
    ):
        raise AssertionError("read what the export would not write")
    try:
        open_bundle(data, trusted_key=KEY.public_key())
    except CollateralUnavailableError:
        return
    if export_bundle(opened.entries, signing_key=KEY) != data:
        raise AssertionError("another signature passes for that of the key")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
