"""The TPM vectors: each file's sidecar lists checks, each with files and what must come of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.pcrs import PcrValues
from assay.evidence.tpm.public import TpmPublic, parse_public
from assay.evidence.tpm.signature import PublicKey, read_jwk
from tests.vectors import vector_params, vector_paths

_TPM2B_PUBLIC = 2


@dataclass(frozen=True, slots=True)
class VectorCheck:
    """One check of one sidecar."""

    folder: Path
    members: dict[str, Any]

    def file(self, name: str) -> bytes:
        """A file that the check names."""
        return (self.folder / str(name)).read_bytes()

    def data(self, member: str) -> bytes:
        """What a member names, or holds."""
        source = self.members[member]
        return bytes.fromhex(source["hex"]) if "hex" in source else self.file(source["file"])

    @property
    def key(self) -> PublicKey:
        """The key that `pub` names."""
        ((kind, name),) = self.members["pub"].items()
        data = self.file(name)
        if kind == "tpmt":
            return public_area(data).key
        if kind == "jwk":
            return read_jwk(json.loads(data), "jwk")
        key = (
            x509.load_pem_x509_certificates(data)[0].public_key()
            if kind == "certpem"
            else load_pem_public_key(data)
        )
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        return key

    @property
    def signature(self) -> bytes:
        """TPMT_SIGNATURE of the check, put into its frame where only the value is there."""
        ((kind, name),) = self.members["sig"].items()
        data = self.file(name)
        if kind == "tpmt":
            return data
        scheme, _, hash_name = kind.partition("_")
        assert scheme == "rsassa"
        return (
            bytes.fromhex("0014")
            + HashAlgorithm[hash_name.upper()].to_bytes(2, "big")
            + buffer(data)
        )

    @property
    def pcrs(self) -> PcrValues:
        """The values of the check."""
        return {
            HashAlgorithm[bank.upper()]: {
                int(index): bytes.fromhex(digest) for index, digest in values.items()
            }
            for bank, values in self.members["pcrs"].items()
        }


def public_area(data: bytes) -> TpmPublic:
    """A public area, which some files have behind its size."""
    sized = int.from_bytes(data[:_TPM2B_PUBLIC], "big") == len(data) - _TPM2B_PUBLIC
    return parse_public(data[_TPM2B_PUBLIC:] if sized else data)


def checks(operation: str) -> tuple[ParameterSet, ...]:
    """One parameter for each check of that name; one that skips where there are no vectors."""
    if not vector_paths("tpm/*/*.json"):
        return vector_params("tpm/*/*.json")
    return tuple(_checks(operation))


def _checks(operation: str) -> Iterator[ParameterSet]:
    for path in vector_paths("tpm/*/*.json"):
        document = json.loads(path.read_bytes())
        found = document.get("checks", []) if isinstance(document, dict) else []
        for number, members in enumerate(found):
            if members["op"] == operation:
                check = VectorCheck(path.parent.parent, members)
                yield pytest.param(check, id=f"{path.stem}-{number}")
