"""The attest operations: evidence out, tokens in.

All of them only judge what they are sent, so that repeating one is harmless.

Source: MAA data plane, API versions 2022-08-01 and 2025-06-01, "Attest" operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, final

from assay.client.attestation_data import AttestationData
from assay.client.attestation_type import AttestationType
from assay.client.call import Call, post_json
from assay.client.text import unicode_text
from assay.encoding import (
    EncodingError,
    JsonValue,
    encode_base64url,
    encode_json,
    parse_json_object,
)
from assay.errors import RequestError

API_VERSION: Final = "2022-08-01"
"""The latest that every deployment of the original service knows."""

_OWN_VERSIONS: Final = MappingProxyType(
    {AttestationType.TDX_VM: "2025-06-01", AttestationType.AZURE_GUEST: "2025-06-01"}
)
"""The first versions that describe these types."""

HeldData: TypeAlias = AttestationData | bytes | None
"""What may be given as runtime or init-time data; bytes are binary data."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SnpEvidence:
    """An SEV-SNP report with what its signature is verified by."""

    report: bytes
    """ATTESTATION_REPORT, 1184 bytes."""

    certificate_chain: bytes
    """VCEK, ASK and ARK as PEM, one after another."""

    endorsements: bytes | None = None
    """A JSON document with the COSE_Sign1 endorsements of a utility VM."""

    def to_json(self) -> bytes:
        """The document that the service expects as `report`."""
        members: dict[str, JsonValue] = {
            "SnpReport": encode_base64url(self.report),
            "VcekCertChain": encode_base64url(self.certificate_chain),
        }
        if self.endorsements is not None:
            members["Endorsements"] = encode_base64url(self.endorsements)
        return encode_json(members)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAlong:
    """What goes with evidence of every kind."""

    runtime_data: HeldData = None
    init_time_data: HeldData = None
    draft_policy: str | None = None
    nonce: str | None = None

    def members(self) -> dict[str, JsonValue]:
        """The members of a request, without those that are not set.

        Raises:
            RequestError: A text is not Unicode.
        """
        found: dict[str, JsonValue] = {}
        for name, data in (
            ("runtimeData", self.runtime_data),
            ("initTimeData", self.init_time_data),
        ):
            if data is not None:
                held = AttestationData(data) if isinstance(data, bytes) else data
                found[name] = held.to_wire()
        if self.draft_policy is not None:
            found["draftPolicyForAttestation"] = unicode_text(self.draft_policy, "draft policy")
        if self.nonce is not None:
            found["nonce"] = unicode_text(self.nonce, "nonce")
        return found


def attest_evidence(
    kind: AttestationType, evidence: bytes, along: HeldAlong, version: str | None
) -> Call:
    """The call that has evidence of SGX, Open Enclave, SEV-SNP or TDX judged.

    Args:
        kind: One of these.
        evidence: A quote; for SEV-SNP its JSON document.
        along: What goes with it.
        version: Of the API, where the caller wants a certain one.

    Raises:
        RequestError: A text is not Unicode.
    """
    member = "quote" if kind in {AttestationType.SGX_ENCLAVE, AttestationType.TDX_VM} else "report"
    return _attest(kind, {member: encode_base64url(evidence), **along.members()}, version)


def attest_tpm(request: bytes | str, version: str | None) -> Call:
    """The call that sends one message of the TPM protocol.

    Raises:
        RequestError: The message is not a JSON object.
    """
    return _attest(AttestationType.TPM, {"data": _document(request, "message")}, version)


def attest_azure_guest(
    information: bytes | str, draft_policy: str | None, version: str | None
) -> Call:
    """The call that sends what Azure's guest agent gathers.

    Raises:
        RequestError: It is not a JSON object, or the policy is not Unicode.
    """
    members = {"attestationInfo": _document(information, "attestation information")}
    along = HeldAlong(draft_policy=draft_policy)
    return _attest(AttestationType.AZURE_GUEST, {**members, **along.members()}, version)


def _attest(kind: AttestationType, body: Mapping[str, JsonValue], version: str | None) -> Call:
    chosen = version or _OWN_VERSIONS.get(kind, API_VERSION)
    return post_json(
        f"attest {kind.value}",
        f"/attest/{kind.value}?api-version={chosen}",
        dict(body),
        repeatable=True,
    )


def _document(text: bytes | str, what: str) -> str:
    data = unicode_text(text, what).encode("utf-8") if isinstance(text, str) else text
    try:
        parse_json_object(data, what)
    except EncodingError as error:
        raise RequestError(error.message) from error
    return encode_base64url(data)
