"""From the text of an attestation request to its parts, within bounds.

Source: Microsoft Azure Attestation, TPM and VBS attestation protocol, request V1 and V2.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from assay.encoding import EncodingError, parse_json_object
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import PCR_COUNT
from assay.evidence.tpm.pcrs import PcrValues
from assay.evidence.tpm.platform_claim import parse_platform_claim
from assay.evidence.tpm.request import (
    BoundKey,
    CertifyBinding,
    CustomClaim,
    EnclaveEvidence,
    KeyBinding,
    LogKind,
    PlatformAttestation,
    QuoteBinding,
    SentLog,
    TpmRequest,
)
from assay.evidence.tpm.request_jws import (
    ProtocolVersion,
    RequestJws,
    decode_unpadded,
    parse_jws,
)
from assay.evidence.tpm.request_members import (
    AttestationMember,
    BankMember,
    CustomClaimMember,
    DataV1,
    DataV2,
    EnclaveData,
    JwsPayload,
    KeyInfo,
    KeyMember,
    PlatformDataV1,
    VsmReport,
)
from assay.evidence.tpm.signature import PublicKey, read_jwk
from assay.evidence.tpm.verify import SignedStructure
from assay.wire import malformed

REQUEST_FORMAT: Final = "tpm.request.format"

CHALLENGE_SIZE: Final = 16
MAX_LOGS: Final = 8
MAX_OTHER_KEYS: Final = 2
MAX_CUSTOM_CLAIMS: Final = 64
_MAX_TEXT: Final = 4096
_MAX_BANKS: Final = 4
_MAX_DEPTH: Final = 16
_MAX_INTEGER: Final = 1 << 63
_QUOTE_HASHES: Final = {
    "sha-256": HashAlgorithm.SHA256,
    "sha-384": HashAlgorithm.SHA384,
    "sha-512": HashAlgorithm.SHA512,
}

MembersT = TypeVar("MembersT")


def parse_tpm_request(text: str) -> TpmRequest:
    """Parse a request of either version.

    Raises:
        MalformedEvidenceError: It is not of the protocol's form; the finding says where.
    """
    jws = parse_jws(text)
    try:
        # Names that come twice and deep nesting are refused before anything else is read.
        parse_json_object(jws.payload, "request", max_depth=_MAX_DEPTH)
        payload = _decode(jws.payload, JwsPayload, "request")
        signed: bytes | msgspec.Raw = payload.att_data
        enclave = None
        if payload.att_type != "basic":
            outer = _decode(payload.att_data, EnclaveData, "att_data")
            signed = outer.report_signed
            enclave = EnclaveEvidence(
                report=_enclave_report(outer.vsm_report, jws.version), text=bytes(signed)
            )
        if jws.version is ProtocolVersion.V1:
            return _request_v1(jws, _decode(signed, DataV1, "att_data"), enclave)
        return _request_v2(jws, _decode(signed, DataV2, "att_data"), enclave)
    except EncodingError as error:
        raise malformed(REQUEST_FORMAT, "an attestation request", error.message) from error


def _decode(data: bytes | msgspec.Raw, kind: type[MembersT], what: str) -> MembersT:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise EncodingError(f"{what}: {error}") from error


def _enclave_report(raw: msgspec.Raw, version: ProtocolVersion) -> bytes:
    if version is ProtocolVersion.V1:
        return decode_unpadded(_decode(raw, str, "vsm_report"), "vsm_report")
    return decode_unpadded(_decode(raw, VsmReport, "vsm_report").enclave.report, "vsm_report")


def _request_v2(jws: RequestJws, data: DataV2, enclave: EnclaveEvidence | None) -> TpmRequest:
    platform = data.tpm_att_data
    boot = platform.boot_attestation
    if len(data.other_keys) > MAX_OTHER_KEYS:
        raise malformed(
            REQUEST_FORMAT, f"at most {MAX_OTHER_KEYS} other_keys", f"{len(data.other_keys)}"
        )
    others = tuple(_bound_key(key, "other_keys") for key in data.other_keys)
    if any(isinstance(key.binding, QuoteBinding) for key in others):
        raise malformed(REQUEST_FORMAT, "tpm_quote for the request_key alone", "it in other_keys")
    return TpmRequest(
        jws=jws,
        relying_party=_text(data.rp_id, "rp_id"),
        relying_party_data=_encoded_text(data.rp_data, "rp_data"),
        challenge=_challenge(data.challenge),
        service_context=data.service_context,
        current=_attestation(platform.current_attestation, "current_attestation"),
        boot=None if boot is None else _attestation(boot, "boot_attestation"),
        resumed=boot is not None,
        request_key=_bound_key(data.request_key, "request_key"),
        other_keys=others,
        custom_claims=_custom_claims(data.custom_claims),
        enclave=enclave,
    )


def _request_v1(jws: RequestJws, data: DataV1, enclave: EnclaveEvidence | None) -> TpmRequest:
    platform = data.tpm_att_data
    boot_logs = _logs_v1(platform.srtm_boot_log, platform.drtm_boot_log)
    resume_logs = _logs_v1(platform.srtm_resume_log, platform.drtm_resume_log)
    boot = None
    if platform.boot_claim:
        boot = _attestation_v1(platform, platform.boot_claim, boot_logs, "boot_claim")
    return TpmRequest(
        jws=jws,
        relying_party=_text(data.rp_id, "rp_id"),
        relying_party_data=_encoded_text(data.rp_data, "rp_data"),
        challenge=_challenge(data.challenge),
        service_context=data.service_context,
        current=_attestation_v1(
            platform, platform.current_claim, resume_logs or boot_logs, "current_claim"
        ),
        boot=boot,
        resumed=bool(resume_logs),
        request_key=_key(data.attest_key, None, "attest_key"),
        other_keys=(),
        custom_claims=_custom_claims(data.custom_claims),
        enclave=enclave,
    )


def _logs_v1(*texts: str) -> tuple[SentLog, ...]:
    return tuple(SentLog(LogKind.TCG, decode_unpadded(text, "log")) for text in texts if text)


def _attestation_v1(
    platform: PlatformDataV1, claim: str, logs: tuple[SentLog, ...], where: str
) -> PlatformAttestation:
    quote, pcrs = parse_platform_claim(decode_unpadded(claim, where))
    return PlatformAttestation(
        logs=logs,
        aik_certificate=_certificate(platform.aik_cert),
        aik=_public_key(platform.aik_pub, "aik_pub"),
        pcrs=pcrs,
        quote=quote,
    )


def _attestation(member: AttestationMember, where: str) -> PlatformAttestation:
    if len(member.logs) > MAX_LOGS:
        raise malformed(REQUEST_FORMAT, f"at most {MAX_LOGS} logs", f"{len(member.logs)}")
    return PlatformAttestation(
        logs=tuple(
            SentLog(LogKind(log.type), decode_unpadded(log.log, f"{where}.log"))
            for log in member.logs
        ),
        aik_certificate=_certificate(member.aik_cert or ""),
        aik=_public_key(member.aik_pub, f"{where}.aik_pub"),
        pcrs=_pcrs(member.pcrs),
        quote=SignedStructure(
            attest=decode_unpadded(member.quote, f"{where}.quote"),
            signature=decode_unpadded(member.signature, f"{where}.signature"),
        ),
    )


def _certificate(text: str) -> bytes | None:
    return decode_unpadded(text, "aik_cert") if text else None


def _pcrs(members: list[BankMember]) -> PcrValues:
    if len(members) > _MAX_BANKS or len({one.algorithm for one in members}) != len(members):
        raise malformed(REQUEST_FORMAT, f"at most {_MAX_BANKS} banks, each once", "others")
    return dict(_bank(one) for one in members)


def _bank(member: BankMember) -> tuple[HashAlgorithm, dict[int, bytes]]:
    if member.algorithm not in {*HashAlgorithm}:
        raise malformed(REQUEST_FORMAT, "a bank of a known hash", f"{member.algorithm}")
    values = {one.index: decode_unpadded(one.digest, "digest") for one in member.values}
    if len(values) != len(member.values) or not all(0 <= index < PCR_COUNT for index in values):
        raise malformed(REQUEST_FORMAT, f"PCRs 0 to {PCR_COUNT - 1}, each once", "others")
    return HashAlgorithm(member.algorithm), values


def _bound_key(member: KeyMember, where: str) -> BoundKey:
    return _key(member.jwk, _binding(member.info or KeyInfo(), where), where)


def _binding(info: KeyInfo, where: str) -> KeyBinding:
    certify = info.tpm_certify
    if info.tpm_quote is not None:
        if certify is not None:
            raise malformed(REQUEST_FORMAT, f"{where}.info with one binding", "two")
        return QuoteBinding(hash=_QUOTE_HASHES[info.tpm_quote.hash_alg])
    if certify is None:
        return None
    return CertifyBinding(
        public=decode_unpadded(certify.public, f"{where}.public"),
        certification=SignedStructure(
            attest=decode_unpadded(certify.certification, f"{where}.certification"),
            signature=decode_unpadded(certify.signature, f"{where}.signature"),
        ),
    )


def _key(raw: msgspec.Raw, binding: KeyBinding, where: str) -> BoundKey:
    text = bytes(raw)
    members = parse_json_object(text, where)
    return BoundKey(text=text, jwk=members, key=read_jwk(members, where), binding=binding)


def _public_key(raw: msgspec.Raw, where: str) -> PublicKey:
    return read_jwk(parse_json_object(bytes(raw), where), where)


def _challenge(text: str) -> bytes:
    challenge = decode_unpadded(text, "challenge")
    if len(challenge) != CHALLENGE_SIZE:
        raise malformed(
            REQUEST_FORMAT, f"a challenge of {CHALLENGE_SIZE} bytes", f"{len(challenge)}"
        )
    return challenge


def _text(text: str, where: str) -> str:
    if len(text) > _MAX_TEXT:
        raise malformed(REQUEST_FORMAT, f"{where} of at most {_MAX_TEXT} characters", "more")
    return text


def _encoded_text(text: str, where: str) -> str:
    decode_unpadded(text, where)
    return _text(text, where)


def _custom_claims(members: list[CustomClaimMember]) -> tuple[CustomClaim, ...]:
    if len(members) > MAX_CUSTOM_CLAIMS:
        raise malformed(REQUEST_FORMAT, f"at most {MAX_CUSTOM_CLAIMS} custom claims", "more")
    for one in members:
        if isinstance(one.value, int) and not -_MAX_INTEGER <= one.value < _MAX_INTEGER:
            raise malformed(REQUEST_FORMAT, "custom claims of 64-bit integers", "a larger one")
    return tuple(
        CustomClaim(
            name=_text(one.name, "custom_claims"),
            value=_text(one.value, "custom_claims") if isinstance(one.value, str) else one.value,
        )
        for one in members
    )
