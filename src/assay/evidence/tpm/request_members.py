"""The members of a request as they are on the wire, in both versions of the protocol.

`Raw` members keep the text as it was sent: hashes are over it, and nothing is written anew.

Source: Microsoft Azure Attestation, TPM and VBS attestation protocol, request V1 and V2.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class JwsPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the JWS carries."""

    att_type: Literal["basic", "vbs", "vsm"]
    att_data: msgspec.Raw


class EnclaveData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`att_data` of an enclave."""

    report_signed: msgspec.Raw
    vsm_report: msgspec.Raw


class EnclaveMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`vsm_report.enclave`."""

    report: str


class VsmReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`vsm_report` of the second version; of the first it is the report's text itself."""

    enclave: EnclaveMember


class CustomClaimMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A claim of the client."""

    name: str
    value: str | int | bool
    value_type: str = "string"


class LogMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log."""

    type: Literal["TCG", "IMA"]
    log: str


class PcrMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The value of one PCR."""

    index: int
    digest: str


class BankMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values of one bank."""

    algorithm: int
    values: list[PcrMember]


class AttestationMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A quote with its logs."""

    logs: list[LogMember]
    aik_pub: msgspec.Raw
    pcrs: list[BankMember]
    quote: str
    signature: str
    aik_cert: str | None = None


class PlatformData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tpm_att_data` of the second version."""

    current_attestation: AttestationMember
    boot_attestation: AttestationMember | None = None


class TpmQuoteInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a key is bound through the quote."""

    hash_alg: Literal["sha-256", "sha-384", "sha-512"]


class TpmCertifyInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a key is bound by being certified."""

    public: str
    certification: str
    signature: str


class KeyInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a key is bound."""

    tpm_quote: TpmQuoteInfo | None = None
    tpm_certify: TpmCertifyInfo | None = None


class KeyMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key."""

    jwk: msgspec.Raw
    info: KeyInfo | None = None


class DataV2(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signed members of the second version."""

    challenge: str
    service_context: str
    tpm_att_data: PlatformData
    request_key: KeyMember
    rp_id: str = ""
    rp_data: str = ""
    other_keys: list[KeyMember] = []
    custom_claims: list[CustomClaimMember] = []


class PlatformDataV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tpm_att_data` of the first version. Logs that are not there are empty or left out."""

    aik_pub: msgspec.Raw
    current_claim: str
    aik_cert: str = ""
    boot_claim: str = ""
    srtm_boot_log: str = ""
    srtm_resume_log: str = ""
    drtm_boot_log: str = ""
    drtm_resume_log: str = ""


class DataV1(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The signed members of the first version."""

    challenge: str
    service_context: str
    tpm_att_data: PlatformDataV1
    attest_key: msgspec.Raw
    rp_id: str = ""
    rp_data: str = ""
    custom_claims: list[CustomClaimMember] = []
