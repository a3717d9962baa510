"""What a token says about an attester, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TypeAlias, final

import msgspec

from assay.client.attestation_token import AttestationToken
from assay.client.errors import ErrorAnswer, ServiceError
from assay.client.signer import AttestationSigner
from assay.client.tee_claims import (
    AzureVmClaims,
    JsonObject,
    SgxClaims,
    SgxCollateral,
    SnpClaims,
    TdxClaims,
)
from assay.encoding import EncodingError, JsonValue, decode_base64url

TeeClaims: TypeAlias = SgxClaims | SnpClaims | TdxClaims | AzureVmClaims

_KINDS: Final[Mapping[str, type[TeeClaims]]] = MappingProxyType(
    {"sgx": SgxClaims, "sevsnpvm": SnpClaims, "tdxvm": TdxClaims, "azurevm": AzureVmClaims}
)
_OK: Final = 200


class _CommonClaims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of every attestation token."""

    iss: str
    iat: int | float | None = None
    nbf: int | float | None = None
    exp: int | float | None = None
    jti: str | None = None
    version: str | None = msgspec.field(default=None, name="x-ms-ver")
    attestation_type: str | None = msgspec.field(default=None, name="x-ms-attestation-type")
    policy_hash: str | None = msgspec.field(default=None, name="x-ms-policy-hash")
    policy_signer: JsonObject | None = msgspec.field(default=None, name="x-ms-policy-signer")
    policy: JsonObject | None = msgspec.field(default=None, name="x-ms-policy")
    runtime: JsonObject | None = msgspec.field(default=None, name="x-ms-runtime")
    init_time: JsonObject | None = msgspec.field(default=None, name="x-ms-inittime")
    held_data: str | None = msgspec.field(default=None, name="x-ms-sgx-ehd")
    nonce: str | None = None
    rp_data: str | None = None
    cnf: JsonObject | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationResult:
    """The claims of an attestation token.

    What the token has in base64url is `bytes` here; hexadecimal stays text. What a policy issues
    under a name of its own is in `policy_claims`, and every claim under its own name in `claims`.
    """

    issuer: str
    """`iss`: the instance."""

    attestation_type: str | None = None
    """`x-ms-attestation-type`: `sgx`, `sevsnpvm`, `tdxvm`, `azurevm`, or what a policy says."""

    version: str | None = None
    unique_identifier: str | None = None
    issued_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None

    policy_hash: bytes | None = None
    """SHA-256 of the policy's text in base64url."""

    policy_signer: AttestationSigner | None = None
    policy_claims: JsonObject | None = None
    runtime_claims: JsonObject | None = None
    """Runtime data of type JSON, parsed."""

    init_time_claims: JsonObject | None = None
    enclave_held_data: bytes | None = None
    """Runtime data of type binary."""

    nonce: str | None = None
    relying_party_data: str | None = None
    """`rp_data` of a TPM's token."""

    confirmation: JsonObject | None = None
    """`cnf`: the key that a TPM vouches for, as RFC 7800 has it."""

    tee: TeeClaims | None = None
    """About the platform, where its kind is known here."""

    claims: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)

    @property
    def sgx(self) -> SgxClaims | None:
        """The claims about an SGX enclave, if it is one."""
        return self.tee if isinstance(self.tee, SgxClaims) else None

    @property
    def sev_snp(self) -> SnpClaims | None:
        """The claims about an SEV-SNP guest, if it is one."""
        return self.tee if isinstance(self.tee, SnpClaims) else None

    @property
    def tdx(self) -> TdxClaims | None:
        """The claims about a TDX guest, if it is one."""
        return self.tee if isinstance(self.tee, TdxClaims) else None

    @property
    def azure_vm(self) -> AzureVmClaims | None:
        """The claims about a guest of Azure, if it is one."""
        return self.tee if isinstance(self.tee, AzureVmClaims) else None

    @property
    def is_debuggable(self) -> bool | None:
        """Whether somebody can look into the enclave or guest; nothing where it is not known."""
        known = self.sgx or self.sev_snp or self.tdx
        return None if known is None else known.is_debuggable

    @property
    def mr_enclave(self) -> str | None:
        """Of an SGX enclave."""
        return None if self.sgx is None else self.sgx.mr_enclave

    @property
    def mr_signer(self) -> str | None:
        """Of an SGX enclave."""
        return None if self.sgx is None else self.sgx.mr_signer

    @property
    def product_id(self) -> int | None:
        """Of an SGX enclave."""
        return None if self.sgx is None else self.sgx.product_id

    @property
    def svn(self) -> int | None:
        """Of an SGX enclave."""
        return None if self.sgx is None else self.sgx.svn

    @property
    def sgx_collateral(self) -> SgxCollateral | None:
        """Of an SGX enclave."""
        return None if self.sgx is None else self.sgx.collateral


def read_attestation(token: AttestationToken) -> AttestationResult:
    """The result that a token holds.

    Raises:
        ServiceError: A claim is missing that every token of its kind has, or is of another type.
    """
    try:
        common = msgspec.convert(token.claims, _CommonClaims)
        kind = _KINDS.get(common.attestation_type or "")
        tee = None if kind is None else msgspec.convert(token.claims, kind)
        if isinstance(tee, AzureVmClaims):
            _ = tee.isolation
        return AttestationResult(
            issuer=common.iss,
            attestation_type=common.attestation_type,
            version=common.version,
            unique_identifier=common.jti,
            issued_at=_instant(common.iat),
            not_before=_instant(common.nbf),
            expires_at=_instant(common.exp),
            policy_hash=_bytes(common.policy_hash, "x-ms-policy-hash"),
            policy_signer=_signer(common.policy_signer),
            policy_claims=common.policy,
            runtime_claims=common.runtime,
            init_time_claims=common.init_time,
            enclave_held_data=_bytes(common.held_data, "x-ms-sgx-ehd"),
            nonce=common.nonce,
            relying_party_data=common.rp_data,
            confirmation=common.cnf,
            tee=tee,
            claims=token.claims,
        )
    except (msgspec.ValidationError, EncodingError, ValueError, OverflowError) as error:
        raise ServiceError(
            f"the token is not an attestation token as the protocol has them: {error}",
            answer=ErrorAnswer(status=_OK),
        ) from error


def _bytes(text: str | None, claim: str) -> bytes | None:
    return None if text is None else decode_base64url(text, claim)


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _signer(jwk: JsonObject | None) -> AttestationSigner | None:
    return None if jwk is None else AttestationSigner.from_jwk(jwk)
