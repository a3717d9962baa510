"""The claims about each kind of platform, typed.

A claim that every token of its kind has is required: were it absent, `is_debuggable` would read as
if the platform could not be debugged. Hexadecimal is kept as text, in lower case.

Source: recorded tokens and documents of Microsoft Azure Attestation; each field names its claim.
"""

from __future__ import annotations

from typing import Any, TypeAlias, final

import msgspec
from msgspec import field

JsonObject: TypeAlias = dict[str, Any]


@final
class SgxCollateral(msgspec.Struct, frozen=True, kw_only=True):
    """SHA-256 of the documents that the evidence was verified with, in hexadecimal."""

    qe_id_certs_hash: str = field(name="qeidcertshash")
    qe_id_crl_hash: str = field(name="qeidcrlhash")
    qe_id_hash: str = field(name="qeidhash")
    quote_hash: str = field(name="quotehash")
    """Of the evidence as it was sent."""

    tcb_info_certs_hash: str = field(name="tcbinfocertshash")
    tcb_info_crl_hash: str = field(name="tcbinfocrlhash")
    tcb_info_hash: str = field(name="tcbinfohash")


@final
class SgxClaims(msgspec.Struct, frozen=True, kw_only=True):
    """An SGX enclave, whether its evidence was a quote or an Open Enclave report."""

    is_debuggable: bool = field(name="x-ms-sgx-is-debuggable")
    mr_enclave: str = field(name="x-ms-sgx-mrenclave")
    mr_signer: str = field(name="x-ms-sgx-mrsigner")
    product_id: int = field(name="x-ms-sgx-product-id")
    svn: int = field(name="x-ms-sgx-svn")
    collateral: SgxCollateral = field(name="x-ms-sgx-collateral")
    report_data: str | None = field(default=None, name="x-ms-sgx-report-data")
    tcb_identifier: str | None = field(default=None, name="x-ms-sgx-tcbidentifier")
    config_id: str | None = field(default=None, name="x-ms-sgx-config-id")
    """This and the next three: only of enclaves with key separation and sharing."""

    config_svn: int | None = field(default=None, name="x-ms-sgx-config-svn")
    isv_extended_product_id: str | None = field(
        default=None, name="x-ms-sgx-isv-extended-product-id"
    )
    isv_family_id: str | None = field(default=None, name="x-ms-sgx-isv-family-id")


@final
class SnpClaims(msgspec.Struct, frozen=True, kw_only=True):
    """An AMD SEV-SNP guest."""

    is_debuggable: bool = field(name="x-ms-sevsnpvm-is-debuggable")
    migration_allowed: bool = field(name="x-ms-sevsnpvm-migration-allowed")
    smt_allowed: bool = field(name="x-ms-sevsnpvm-smt-allowed")
    guest_svn: int = field(name="x-ms-sevsnpvm-guestsvn")
    family_id: str = field(name="x-ms-sevsnpvm-familyId")
    image_id: str = field(name="x-ms-sevsnpvm-imageId")
    vmpl: int = field(name="x-ms-sevsnpvm-vmpl")
    bootloader_svn: int = field(name="x-ms-sevsnpvm-bootloader-svn")
    tee_svn: int = field(name="x-ms-sevsnpvm-tee-svn")
    snp_firmware_svn: int = field(name="x-ms-sevsnpvm-snpfw-svn")
    microcode_svn: int = field(name="x-ms-sevsnpvm-microcode-svn")
    report_data: str = field(name="x-ms-sevsnpvm-reportdata")
    launch_measurement: str = field(name="x-ms-sevsnpvm-launchmeasurement")
    host_data: str = field(name="x-ms-sevsnpvm-hostdata")
    id_key_digest: str = field(name="x-ms-sevsnpvm-idkeydigest")
    author_key_digest: str = field(name="x-ms-sevsnpvm-authorkeydigest")
    report_id: str = field(name="x-ms-sevsnpvm-reportid")
    compliance_status: str | None = field(default=None, name="x-ms-compliance-status")


@final
class TdxClaims(msgspec.Struct, frozen=True, kw_only=True):
    """An Intel TDX guest."""

    is_debuggable: bool = field(name="tdx_td_attributes_debug")
    sept_ve_disabled: bool = field(name="tdx_td_attributes_septve_disable")
    protection_keys: bool = field(name="tdx_td_attributes_protection_keys")
    key_locker: bool = field(name="tdx_td_attributes_key_locker")
    performance_monitoring: bool = field(name="tdx_td_attributes_perfmon")
    tee_tcb_svn: str = field(name="tdx_tee_tcb_svn")
    mr_seam: str = field(name="tdx_mrseam")
    mr_signer_seam: str = field(name="tdx_mrsignerseam")
    seam_attributes: str = field(name="tdx_seam_attributes")
    td_attributes: str = field(name="tdx_td_attributes")
    xfam: str = field(name="tdx_xfam")
    mr_td: str = field(name="tdx_mrtd")
    mr_config_id: str = field(name="tdx_mrconfigid")
    mr_owner: str = field(name="tdx_mrowner")
    mr_owner_config: str = field(name="tdx_mrownerconfig")
    rtmr0: str = field(name="tdx_rtmr0")
    rtmr1: str = field(name="tdx_rtmr1")
    rtmr2: str = field(name="tdx_rtmr2")
    rtmr3: str = field(name="tdx_rtmr3")
    report_data: str = field(name="tdx_report_data")
    seam_svn: int | None = field(default=None, name="tdx_seamsvn")
    attester_tcb_status: str | None = None
    debug_status: str | None = field(default=None, name="dbgstat")
    eat_profile: str | None = None
    intended_use: str | None = field(default=None, name="intuse")
    compliance_status: str | None = field(default=None, name="x-ms-compliance-status")


@final
class AzureVmClaims(msgspec.Struct, frozen=True, kw_only=True):
    """A guest of Azure with a virtual TPM; `isolation` tells of the platform below it."""

    secure_boot: bool = field(name="secureboot")
    boot_debug_enabled: bool = field(name="x-ms-azurevm-bootdebug-enabled")
    kernel_debug_enabled: bool = field(name="x-ms-azurevm-kerneldebug-enabled")
    hypervisor_debug_enabled: bool = field(name="x-ms-azurevm-hypervisordebug-enabled")
    test_signing_enabled: bool = field(name="x-ms-azurevm-testsigning-enabled")
    flight_signing_enabled: bool = field(name="x-ms-azurevm-flightsigning-enabled")
    elam_enabled: bool = field(name="x-ms-azurevm-elam-enabled")
    db_validated: bool = field(name="x-ms-azurevm-dbvalidated")
    dbx_validated: bool = field(name="x-ms-azurevm-dbxvalidated")
    default_secure_boot_keys_validated: bool = field(
        name="x-ms-azurevm-default-securebootkeysvalidated"
    )
    debuggers_disabled: bool = field(name="x-ms-azurevm-debuggersdisabled")
    signing_disabled: bool = field(name="x-ms-azurevm-signingdisabled")
    attested_pcrs: tuple[int, ...] = field(name="x-ms-azurevm-attested-pcrs")
    protocol_version: str = field(name="x-ms-azurevm-attestation-protocol-ver")
    is_windows: bool = field(name="x-ms-azurevm-is-windows")
    os_type: str = field(name="x-ms-azurevm-ostype")
    os_distro: str = field(name="x-ms-azurevm-osdistro")
    os_build: str = field(name="x-ms-azurevm-osbuild")
    os_version_major: int = field(name="x-ms-azurevm-osversion-major")
    os_version_minor: int = field(name="x-ms-azurevm-osversion-minor")
    vm_id: str = field(name="x-ms-azurevm-vmid")
    hvci_policy: int | None = field(default=None, name="x-ms-azurevm-hvci-policy")
    isolation_tee: JsonObject | None = field(default=None, name="x-ms-isolation-tee")

    @property
    def isolation(self) -> SnpClaims | TdxClaims | None:
        """The confidential machine that the guest runs in; nothing for a trusted launch.

        Raises:
            msgspec.ValidationError: Its claims are not of the kind that they say.
        """
        match (self.isolation_tee or {}).get("x-ms-attestation-type"):
            case "sevsnpvm":
                return msgspec.convert(self.isolation_tee, SnpClaims)
            case "tdxvm":
                return msgspec.convert(self.isolation_tee, TdxClaims)
            case _:
                return None
