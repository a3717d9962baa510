"""The catalogue of claim names: what each attestation type says, of which type, and where.

Source: Microsoft Azure Attestation, "Claim sets" and "Claim rule functions"; Intel TDX EAT profile
of MAA; sample tokens and policies that Microsoft published. Names under `x-assay-` are Assay's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from types import MappingProxyType
from typing import Final

from assay.claims.model import ValueType


class ClaimType(StrEnum):
    """What a claim is in a token."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    STRING = "String"
    STRINGS = "Array of String"
    """In policies: one claim of type String for each element."""

    INTEGERS = "Array of Integer"
    """In policies: one claim of type Integer for each element."""

    OBJECT = "Object"
    """No type of the policy language holds it."""


DEPRECATED_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "x-ms-sgx-is-debuggable": "$is-debuggable",
        "x-ms-sgx-product-id": "$product-id",
        "x-ms-sgx-mrsigner": "$sgx-mrsigner",
        "x-ms-sgx-mrenclave": "$sgx-mrenclave",
        "x-ms-sgx-svn": "$svn",
        "x-ms-attestation-type": "$tee",
    }
)
"""The second name under which policies see a claim of SGX; those of the preview used it."""


class Where(Flag):
    """The places that a claim occurs in."""

    INCOMING = auto()
    """The service gives it to policies."""

    TOKEN = auto()
    """The service puts it into the token, whatever the policy issues."""

    ISSUED = auto()
    """In the token only where a policy issues it; the name is a convention."""

    CONFIGURATION = auto()
    """A property that a policy's `configurationrules` may set."""


@dataclass(frozen=True, slots=True)
class ClaimName:
    """One row of the catalogue."""

    name: str
    type: ClaimType
    where: Where

    @property
    def value_type(self) -> ValueType | None:
        """The type that policies see, or nothing for an object."""
        return _VALUE_TYPES.get(self.type)

    @property
    def incoming(self) -> bool:
        """Whether policies can test it as a claim of the service."""
        return Where.INCOMING in self.where


def claim_names(attestation_type: str) -> Mapping[str, ClaimName]:
    """The claims of an attestation type by name, `SgxEnclave` for example; those of all included.

    Raises:
        KeyError: The catalogue does not know the type.
    """
    return CATALOGUE[attestation_type]


_VALUE_TYPES: Final = {
    ClaimType.BOOLEAN: ValueType.BOOLEAN,
    ClaimType.INTEGER: ValueType.INTEGER,
    ClaimType.INTEGERS: ValueType.INTEGER,
    ClaimType.STRING: ValueType.STRING,
    ClaimType.STRINGS: ValueType.STRING,
}

_BOOLEAN, _INTEGER, _STRING = ClaimType.BOOLEAN, ClaimType.INTEGER, ClaimType.STRING
_STRINGS, _INTEGERS, _OBJECT = ClaimType.STRINGS, ClaimType.INTEGERS, ClaimType.OBJECT
_INCOMING, _TOKEN, _ISSUED = Where.INCOMING, Where.TOKEN, Where.ISSUED
_CONFIGURATION, _BOTH = Where.CONFIGURATION, Where.INCOMING | Where.TOKEN

_Row = tuple[ClaimType, Where, str]
"""A type, where it occurs, and the names that share both, separated by spaces."""

_COMMON: Final[tuple[_Row, ...]] = (
    (_STRING, _BOTH, "x-ms-attestation-type"),
    (_STRING, _TOKEN, "iss jti nonce x-ms-ver x-ms-policy-hash"),
    (_INTEGER, _TOKEN, "iat nbf exp"),
    (_OBJECT, _TOKEN, "x-ms-policy x-ms-policy-signer x-ms-runtime x-ms-inittime"),
    # Under which circumstances a token is worth less than others.
    (_BOOLEAN, _TOKEN, "x-assay-simulated"),
    (_STRINGS, _TOKEN, "x-assay-expired-collateral"),
    (_STRING, _TOKEN, "x-assay-verified-at x-assay-init-time-data"),
)

_SGX: Final[tuple[_Row, ...]] = (
    (_BOOLEAN, _BOTH, "x-ms-sgx-is-debuggable"),
    (_INTEGER, _BOTH, "x-ms-sgx-product-id x-ms-sgx-svn x-ms-sgx-config-svn"),
    (_STRING, _BOTH, "x-ms-sgx-mrenclave x-ms-sgx-mrsigner x-ms-sgx-report-data x-ms-sgx-ehd"),
    (_STRING, _BOTH, "x-ms-sgx-config-id"),
    (_STRING, _BOTH, "x-ms-sgx-isv-extended-product-id x-ms-sgx-isv-family-id"),
    (_STRING, _TOKEN | _CONFIGURATION, "x-ms-sgx-tcbidentifier"),
    (_OBJECT, _TOKEN, "x-ms-sgx-collateral maa-attestationcollateral"),
    (_STRING, _TOKEN, "maa-ehd aas-ehd"),
    # Deprecated names: policies see them with a dollar sign, tokens as the policy issues them.
    (_BOOLEAN, _INCOMING, "$is-debuggable"),
    (_INTEGER, _INCOMING, "$product-id $svn"),
    (_STRING, _INCOMING, "$sgx-mrenclave $sgx-mrsigner $tee $maa-ehd $aas-ehd"),
    (_BOOLEAN, _ISSUED, "is-debuggable"),
    (_INTEGER, _ISSUED, "product-id svn"),
    (_STRING, _ISSUED, "sgx-mrenclave sgx-mrsigner tee"),
    (_STRING, _BOTH, "x-assay-tcb-status x-assay-tcb-date"),
    (_INTEGER, _BOTH, "x-assay-evaluation-number"),
    (_STRINGS, _BOTH, "x-assay-advisory-ids"),
)

_SNP: Final[tuple[_Row, ...]] = (
    (_BOOLEAN, _BOTH, "x-ms-sevsnpvm-is-debuggable x-ms-sevsnpvm-migration-allowed"),
    (_BOOLEAN, _BOTH, "x-ms-sevsnpvm-smt-allowed"),
    (_INTEGER, _BOTH, "x-ms-sevsnpvm-vmpl x-ms-sevsnpvm-guestsvn x-ms-sevsnpvm-bootloader-svn"),
    (_INTEGER, _BOTH, "x-ms-sevsnpvm-tee-svn x-ms-sevsnpvm-snpfw-svn"),
    (_INTEGER, _BOTH, "x-ms-sevsnpvm-microcode-svn"),
    (_STRING, _BOTH, "x-ms-sevsnpvm-launchmeasurement x-ms-sevsnpvm-idkeydigest"),
    (_STRING, _BOTH, "x-ms-sevsnpvm-authorkeydigest x-ms-sevsnpvm-hostdata"),
    (_STRING, _BOTH, "x-ms-sevsnpvm-reportdata x-ms-sevsnpvm-reportid"),
    # The service spells these two with a capital I.
    (_STRING, _BOTH, "x-ms-sevsnpvm-familyId x-ms-sevsnpvm-imageId"),
    (_STRING, _BOTH, "x-ms-compliance-status"),
)

_TDX: Final[tuple[_Row, ...]] = (
    (_STRING, _BOTH, "tdx_mrtd tdx_mrseam tdx_mrsignerseam tdx_mrconfigid tdx_mrowner"),
    (_STRING, _BOTH, "tdx_mrownerconfig tdx_rtmr0 tdx_rtmr1 tdx_rtmr2 tdx_rtmr3"),
    (_STRING, _BOTH, "tdx_report_data tdx_seam_attributes tdx_td_attributes tdx_xfam"),
    (_STRING, _BOTH, "tdx_tee_tcb_svn attester_tcb_status dbgstat intuse eat_profile"),
    (_INTEGER, _BOTH, "tdx_seamsvn"),
    (_BOOLEAN, _BOTH, "tdx_td_attributes_debug tdx_td_attributes_key_locker"),
    (_BOOLEAN, _BOTH, "tdx_td_attributes_perfmon tdx_td_attributes_protection_keys"),
    (_BOOLEAN, _BOTH, "tdx_td_attributes_septve_disable"),
    (_STRING, _BOTH, "x-ms-compliance-status"),
)

_AZURE_GUEST: Final[tuple[_Row, ...]] = (
    (_BOOLEAN, _BOTH, "secureboot x-ms-azurevm-default-securebootkeysvalidated"),
    (_BOOLEAN, _BOTH, "x-ms-azurevm-debuggersdisabled x-ms-azurevm-signingdisabled"),
    (_BOOLEAN, _BOTH, "x-ms-azurevm-dbvalidated x-ms-azurevm-dbxvalidated"),
    (_BOOLEAN, _BOTH, "x-ms-azurevm-bootdebug-enabled x-ms-azurevm-kerneldebug-enabled"),
    (_BOOLEAN, _BOTH, "x-ms-azurevm-hypervisordebug-enabled x-ms-azurevm-testsigning-enabled"),
    (_BOOLEAN, _BOTH, "x-ms-azurevm-flightsigning-enabled x-ms-azurevm-elam-enabled"),
    (_BOOLEAN, _BOTH, "x-ms-azurevm-is-windows"),
    (_INTEGER, _BOTH, "x-ms-azurevm-hvci-policy x-ms-azurevm-osversion-major"),
    (_INTEGER, _BOTH, "x-ms-azurevm-osversion-minor"),
    (_STRING, _BOTH, "x-ms-azurevm-osbuild x-ms-azurevm-osdistro x-ms-azurevm-ostype"),
    (_STRING, _BOTH, "x-ms-azurevm-vmid x-ms-azurevm-attestation-protocol-ver"),
    (_INTEGERS, _BOTH, "x-ms-azurevm-attested-pcrs"),
    (_OBJECT, _TOKEN, "x-ms-isolation-tee"),
)

_TPM: Final[tuple[_Row, ...]] = (
    (_BOOLEAN, _INCOMING, "aikValidated vbsReportPresent vsmReportPresent"),
    (_STRING, _INCOMING, "aikPubHash"),
    (_INTEGER, _INCOMING, "tpmVersion"),
    # The samples issue these under the names that they come in with.
    (_BOOLEAN, _INCOMING | _ISSUED, "secureBootEnabled iommuEnabled bootDebuggingDisabled"),
    (_BOOLEAN, _INCOMING | _ISSUED, "notSafeMode notWinPE vbsEnabled"),
    # Texts that hold JSON, for JmesPath; policies of version 1.2.
    (_STRING, _INCOMING, "events bootEvents pcrs x-ms-tpm-request-key x-ms-tpm-other-keys"),
    # VBS enclaves.
    (_STRING, _INCOMING, "enclaveAuthorId enclaveImageId enclaveOwnerId enclaveFamilyId"),
    (_STRING, _INCOMING, "enclaveUniqueId"),
    (_INTEGER, _INCOMING, "enclaveSvn enclavePlatformSvn enclaveFlags"),
    (_INTEGER, _INCOMING, "x-assay-enclave-secure-kernel-svn"),
    (_STRING, _BOTH, "x-assay-request-key-binding"),
    (_OBJECT, _TOKEN, "cnf"),
    (_STRING, _TOKEN, "rp_data ver"),
    (_INTEGER, _CONFIGURATION, "report_validity_in_minutes"),
    (_BOOLEAN, _CONFIGURATION, "omit_x5c"),
)


def _table(*groups: tuple[_Row, ...]) -> Mapping[str, ClaimName]:
    names = [
        ClaimName(name, kind, where)
        for group in groups
        for kind, where, spelled in group
        for name in spelled.split()
    ]
    return MappingProxyType({name.name: name for name in names})


CATALOGUE: Final[Mapping[str, Mapping[str, ClaimName]]] = MappingProxyType(
    {
        "SgxEnclave": _table(_COMMON, _SGX),
        "OpenEnclave": _table(_COMMON, _SGX),
        "SevSnpVm": _table(_COMMON, _SNP),
        "TdxVm": _table(_COMMON, _TDX),
        "AzureGuest": _table(_COMMON, _AZURE_GUEST),
        "Tpm": _table(_COMMON, _TPM),
    }
)
"""Claims by name, by the attestation type's name in the protocol's paths."""
