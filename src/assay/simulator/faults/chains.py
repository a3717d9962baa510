"""Faults of the form of a quote's certificate chain: text, count, order, roles.

No signature covers the certification data, so an attacker can arrange it at will.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from assay.simulator.faults.attempt import Attempt, Fault, with_pck_chain
from assay.simulator.sgx import SimulatedPlatform

_CHAIN: Final = "dcap.pck_chain.chain"
_CERT_FORMAT: Final = "dcap.pck_chain.cert_format"

_Apply = Callable[[SimulatedPlatform], Attempt]


def _pem_parts(platform: SimulatedPlatform) -> tuple[bytes, bytes, bytes]:
    ca = platform.pki.pck_ca(platform.settings.ca)
    return platform.pck.pem, ca.pem, platform.pki.root_ca.pem


def _pem(edit: Callable[[bytes, bytes, bytes], bytes]) -> _Apply:
    """Another certification data, from the PEM of leaf, CA and root."""
    return with_pck_chain(lambda platform: edit(*_pem_parts(platform)))


CHAIN_FAULTS: Final = (
    Fault(
        "chain-text-before",
        "text before the first certificate",
        _CERT_FORMAT,
        _pem(lambda leaf, ca, root: b"leaf:\n" + leaf + ca + root),
    ),
    Fault(
        "chain-text-between",
        "text between certificates",
        _CERT_FORMAT,
        _pem(lambda leaf, ca, root: leaf + b"CA:\n" + ca + root),
    ),
    Fault(
        "chain-text-after",
        "text after the last certificate",
        _CERT_FORMAT,
        _pem(lambda leaf, ca, root: leaf + ca + root + b"end\n"),
    ),
    Fault(
        "chain-nul-between",
        "a NUL byte between certificates",
        _CERT_FORMAT,
        _pem(lambda leaf, ca, root: leaf + b"\0" + ca + root),
    ),
    Fault(
        "chain-der",
        "DER where PEM belongs",
        _CERT_FORMAT,
        with_pck_chain(lambda platform: platform.pck.der),
    ),
    Fault(
        "chain-other-label",
        "PEM of something that is no certificate",
        _CERT_FORMAT,
        _pem(lambda leaf, ca, root: leaf.replace(b"CERTIFICATE", b"PUBLIC KEY") + ca + root),
    ),
    Fault(
        "chain-cut-certificate",
        "a certificate whose last line is missing",
        _CERT_FORMAT,
        _pem(
            lambda leaf, ca, root: leaf.replace(leaf.splitlines(keepends=True)[-2], b"") + ca + root
        ),
    ),
    Fault("chain-empty", "no certificates", _CHAIN, _pem(lambda *_: b"")),
    Fault("chain-nul", "nothing but the final NUL byte", _CHAIN, _pem(lambda *_: b"\0")),
    Fault("chain-leaf-only", "nothing but the leaf", _CHAIN, _pem(lambda leaf, *_: leaf)),
    Fault("chain-no-ca", "no PCK CA", _CHAIN, _pem(lambda leaf, _, root: leaf + root)),
    Fault("chain-no-root", "no root", _CHAIN, _pem(lambda leaf, ca, _: leaf + ca)),
    Fault(
        "chain-leaf-twice",
        "the leaf twice",
        _CHAIN,
        _pem(lambda leaf, ca, root: leaf + leaf + ca + root),
    ),
    Fault(
        "chain-ca-twice",
        "the PCK CA twice",
        _CHAIN,
        _pem(lambda leaf, ca, root: leaf + ca + ca + root),
    ),
    Fault(
        "chain-20-certificates",
        "more certificates than any chain has",
        _CHAIN,
        _pem(lambda leaf, ca, root: leaf + ca * 18 + root),
    ),
    Fault(
        "chain-root-first",
        "the right certificates in the other order",
        _CHAIN,
        _pem(lambda leaf, ca, root: root + ca + leaf),
    ),
    Fault(
        "chain-extra-certificate",
        "the TCB signing certificate behind the chain",
        _CHAIN,
        with_pck_chain(lambda platform: platform.pck_chain + platform.pki.tcb_signing.pem),
    ),
    Fault(
        "chain-other-ca",
        "the other PCK CA in the place of the one that issued the leaf",
        _CHAIN,
        with_pck_chain(
            lambda platform: (
                platform.pck.pem + platform.pki.processor_ca.pem + platform.pki.root_ca.pem
            )
        ),
    ),
    Fault(
        "chain-leaf-is-ca",
        "the PCK CA presented as the leaf",
        _CHAIN,
        _pem(lambda _, ca, root: ca + ca + root),
    ),
    Fault(
        "chain-leaf-is-tcb-signer",
        "the TCB signing certificate presented as the leaf",
        _CHAIN,
        with_pck_chain(
            lambda platform: (
                platform.pki.tcb_signing.pem
                + platform.pki.pck_ca(platform.settings.ca).pem
                + platform.pki.root_ca.pem
            )
        ),
    ),
)
