"""Policies to start from, each with its fixture: what it permits and what it refuses.

Where a value has to be put in, a sample stands that refuses real evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

__all__ = ["TEMPLATES", "Template"]

_SGX: Final = "SgxEnclave"
_OPEN_ENCLAVE: Final = "OpenEnclave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One policy of the gallery."""

    name: str
    summary: str
    types: tuple[str, ...]
    """The attestation types that it fits; its fixture is about the first."""

    @property
    def policy(self) -> str:
        """The text."""
        return self._read("policy")

    @property
    def fixture(self) -> str:
        """The fixture as JSON text."""
        return self._read("json")

    def _read(self, suffix: str) -> str:
        file = files("assay.policy.gallery").joinpath(f"templates/{self.name}.{suffix}")
        return file.read_text(encoding="utf-8")


TEMPLATES: Final = (
    Template(
        name="sgx-signer",
        summary="one signer and product from a version on, no debug mode",
        types=(_SGX, _OPEN_ENCLAVE),
    ),
    Template(
        name="sgx-measurement",
        summary="exactly the builds that are listed, no debug mode",
        types=(_SGX, _OPEN_ENCLAVE),
    ),
    Template(
        name="sgx-tcb",
        summary="one signer on platforms whose TCB is up to date, no debug mode",
        types=(_SGX, _OPEN_ENCLAVE),
    ),
    Template(
        name="openenclave-signer",
        summary="as sgx-signer, with the claims that the default policy issues",
        types=(_OPEN_ENCLAVE, _SGX),
    ),
    Template(
        name="snp-guest",
        summary="a known launch measurement on firmware that is new enough",
        types=("SevSnpVm",),
    ),
    Template(
        name="snp-container",
        summary="confidential containers under a known container policy",
        types=("SevSnpVm",),
    ),
    Template(
        name="tdx-guest",
        summary="known firmware and boot chain on a platform that is up to date",
        types=("TdxVm",),
    ),
    Template(
        name="azure-guest-cvm",
        summary="virtual machines on Azure: secure boot, no debugging",
        types=("AzureGuest",),
    ),
    Template(
        name="tpm-boot-state",
        summary="secure boot on, boot debugging off, as the service derives it",
        types=("Tpm",),
    ),
    Template(
        name="tpm-boot-events",
        summary="the same from the boot log, with JMESPath (version 1.2)",
        types=("Tpm",),
    ),
)
"""The gallery, in the order in which it is listed."""
