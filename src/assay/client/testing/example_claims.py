"""Claims of attestation tokens as services make them, with values that mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from assay.client.attestation_type import AttestationType
from assay.encoding import JsonValue

_HASH: Final = "ab" * 32
_COLLATERAL: Final[dict[str, JsonValue]] = dict.fromkeys(
    (
        "qeidcertshash",
        "qeidcrlhash",
        "qeidhash",
        "quotehash",
        "tcbinfocertshash",
        "tcbinfocrlhash",
        "tcbinfohash",
    ),
    _HASH,
)
_SGX: Final[dict[str, JsonValue]] = {
    "x-ms-attestation-type": "sgx",
    "x-ms-sgx-is-debuggable": False,
    "x-ms-sgx-mrenclave": "a5" * 32,
    "x-ms-sgx-mrsigner": "5a" * 32,
    "x-ms-sgx-product-id": 1,
    "x-ms-sgx-svn": 1,
    "x-ms-sgx-collateral": _COLLATERAL,
    "x-ms-sgx-report-data": "00" * 64,
}
_SNP: Final[dict[str, JsonValue]] = {
    "x-ms-attestation-type": "sevsnpvm",
    "x-ms-sevsnpvm-is-debuggable": False,
    "x-ms-sevsnpvm-migration-allowed": False,
    "x-ms-sevsnpvm-smt-allowed": True,
    "x-ms-sevsnpvm-guestsvn": 2,
    "x-ms-sevsnpvm-familyId": "01" + "00" * 15,
    "x-ms-sevsnpvm-imageId": "02" + "00" * 15,
    "x-ms-sevsnpvm-vmpl": 0,
    "x-ms-sevsnpvm-bootloader-svn": 3,
    "x-ms-sevsnpvm-tee-svn": 0,
    "x-ms-sevsnpvm-snpfw-svn": 8,
    "x-ms-sevsnpvm-microcode-svn": 115,
    "x-ms-sevsnpvm-reportdata": "00" * 64,
    "x-ms-sevsnpvm-launchmeasurement": "a5" * 48,
    "x-ms-sevsnpvm-hostdata": "5a" * 32,
    "x-ms-sevsnpvm-idkeydigest": "00" * 48,
    "x-ms-sevsnpvm-authorkeydigest": "00" * 48,
    "x-ms-sevsnpvm-reportid": _HASH,
}
_TDX: Final[dict[str, JsonValue]] = {
    "x-ms-attestation-type": "tdxvm",
    "attester_tcb_status": "UpToDate",
    "dbgstat": "disabled",
    "eat_profile": "https://aka.ms/maa-eat-profile-tdxvm",
    "intuse": "generic",
    "tdx_td_attributes_debug": False,
    "tdx_td_attributes_septve_disable": True,
    "tdx_td_attributes_protection_keys": False,
    "tdx_td_attributes_key_locker": False,
    "tdx_td_attributes_perfmon": False,
    "tdx_tee_tcb_svn": "03000600" + "00" * 12,
    "tdx_seamsvn": 3,
    "tdx_mrseam": "a5" * 48,
    "tdx_mrsignerseam": "00" * 48,
    "tdx_seam_attributes": "00" * 8,
    "tdx_td_attributes": "0000001000000000",
    "tdx_xfam": "e718060000000000",
    "tdx_mrtd": "5a" * 48,
    "tdx_mrconfigid": "00" * 48,
    "tdx_mrowner": "00" * 48,
    "tdx_mrownerconfig": "00" * 48,
    "tdx_rtmr0": "00" * 48,
    "tdx_rtmr1": "00" * 48,
    "tdx_rtmr2": "00" * 48,
    "tdx_rtmr3": "00" * 48,
    "tdx_report_data": "00" * 64,
}
_AZURE: Final[dict[str, JsonValue]] = {
    "x-ms-attestation-type": "azurevm",
    "secureboot": True,
    "x-ms-azurevm-attestation-protocol-ver": "2.0",
    "x-ms-azurevm-attested-pcrs": [0, 1, 2, 3, 4, 5, 6, 7],
    "x-ms-azurevm-bootdebug-enabled": False,
    "x-ms-azurevm-kerneldebug-enabled": False,
    "x-ms-azurevm-hypervisordebug-enabled": False,
    "x-ms-azurevm-testsigning-enabled": False,
    "x-ms-azurevm-flightsigning-enabled": False,
    "x-ms-azurevm-elam-enabled": False,
    "x-ms-azurevm-dbvalidated": True,
    "x-ms-azurevm-dbxvalidated": True,
    "x-ms-azurevm-default-securebootkeysvalidated": True,
    "x-ms-azurevm-debuggersdisabled": True,
    "x-ms-azurevm-signingdisabled": True,
    "x-ms-azurevm-hvci-policy": 0,
    "x-ms-azurevm-is-windows": False,
    "x-ms-azurevm-ostype": "Linux",
    "x-ms-azurevm-osdistro": "Debian",
    "x-ms-azurevm-osbuild": "NotApplicable",
    "x-ms-azurevm-osversion-major": 12,
    "x-ms-azurevm-osversion-minor": 0,
    "x-ms-azurevm-vmid": "00000000-0000-0000-0000-000000000000",
    "x-ms-isolation-tee": _SNP,
}

EXAMPLE_CLAIMS: Final[Mapping[AttestationType, Mapping[str, JsonValue]]] = MappingProxyType(
    {
        AttestationType.SGX_ENCLAVE: _SGX,
        AttestationType.OPEN_ENCLAVE: _SGX,
        AttestationType.SEV_SNP_VM: _SNP,
        AttestationType.TDX_VM: _TDX,
        AttestationType.AZURE_GUEST: _AZURE,
    }
)
"""What the fake service says about evidence of each kind, and factories about results."""
EXAMPLE_POLICY_HASH: Final = "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco"
"""Of the policy that permits everything and issues nothing."""
