"""The kinds of evidence that policies exist for."""

from __future__ import annotations

from enum import StrEnum


class AttestationType(StrEnum):
    """As the protocol spells them in paths. A service need not know all of them.

    Source: MAA data plane, API versions 2020-10-01 to 2026-03-11-preview.
    """

    SGX_ENCLAVE = "SgxEnclave"
    OPEN_ENCLAVE = "OpenEnclave"
    TPM = "Tpm"
    SEV_SNP_VM = "SevSnpVm"
    TDX_VM = "TdxVm"
    AZURE_GUEST = "AzureGuest"
    PLUTON = "Pluton"
    KEY_GUARD = "KeyGuard"
    MDEP_TZ = "MdepTz"
    AI_HSM = "AiHsm"
