"""Attestation requests of a simulated TPM: drafts in which any part can be another.

A draft is JSON until it is signed, so that a fault is one change to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import ClockInfo
from assay.evidence.tpm.pcrs import PcrValues
from assay.evidence.tpm.verify import SignedStructure
from assay.simulator.tpm.platform import FIRST_CLOCK, SimulatedTpm, jwk, untouched_pcrs

CHALLENGE: Final = bytes(range(16))
_MAGIC: Final = 0x54504C41


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What a machine has measured, and its logs of it."""

    pcrs: PcrValues = field(default_factory=lambda: {HashAlgorithm.SHA256: untouched_pcrs()})
    logs: Sequence[tuple[str, bytes]] = ()
    """Kind and bytes, in order."""

    clock: ClockInfo = FIRST_CLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDraft:
    """A request before it is signed."""

    payload: dict[str, Any]
    key: rsa.RSAPrivateKey
    version: str = "attReqV2"
    algorithm: str = "PS256"

    @property
    def data(self) -> dict[str, Any]:
        """The members that the TPM's evidence is among."""
        data: dict[str, Any] = self.payload["att_data"]
        inner: dict[str, Any] = data.get("report_signed", data)
        return inner

    @property
    def current(self) -> dict[str, Any]:
        """`current_attestation`."""
        found: dict[str, Any] = self.data["tpm_att_data"]["current_attestation"]
        return found

    def sign(self) -> str:
        """The JWS."""
        return sign_jws(
            {"alg": self.algorithm, "typ": self.version}, encode_json(self.payload), self.key
        )


def sign_jws(header: Mapping[str, JsonValue], payload: bytes, key: rsa.RSAPrivateKey) -> str:
    """Any payload under any header, signed as PS256."""
    head = encode_base64url(encode_json(dict(header)))
    text = f"{head}.{encode_base64url(payload)}"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return f"{text}.{encode_base64url(key.sign(text.encode('ascii'), pss, hashes.SHA256()))}"


def draft_v2(
    tpm: SimulatedTpm,
    *,
    challenge: bytes = CHALLENGE,
    service_context: str = "",
    measured: Measurements | None = None,
    boot: Measurements | None = None,
    certified: bool = False,
) -> RequestDraft:
    """A request of the second version.

    Args:
        tpm: The machine.
        challenge: The service's.
        service_context: Likewise.
        measured: What the quote is of; nothing measured by default.
        boot: The same of before the last restart.
        certified: Whether the request key is bound by certification, not through the quote.
    """
    key = jwk(tpm.request_key.public_key())
    info: dict[str, Any] = {"tpm_quote": {"hash_alg": "sha-256"}}
    extra_data = HashAlgorithm.SHA256.digest(encode_json(dict(key)) + b"\0" + challenge)
    if certified:
        info, extra_data = {"tpm_certify": certified_info(tpm, challenge)}, challenge
    platform: dict[str, Any] = {
        "current_attestation": attestation(tpm, measured or Measurements(), extra_data)
    }
    if boot is not None:
        platform["boot_attestation"] = attestation(tpm, boot, b"boot")
    return RequestDraft(
        payload={
            "att_type": "basic",
            "att_data": {
                "rp_id": "https://relying-party.example",
                "rp_data": encode_base64url(b"nonce of the relying party"),
                "challenge": encode_base64url(challenge),
                "tpm_att_data": platform,
                "request_key": {"jwk": key, "info": info},
                "service_context": service_context,
            },
        },
        key=tpm.request_key,
    )


def draft_v1(
    tpm: SimulatedTpm,
    *,
    challenge: bytes = CHALLENGE,
    service_context: str = "",
    measured: Measurements | None = None,
    boot: Measurements | None = None,
) -> RequestDraft:
    """A request of the first version; of `boot`'s logs those become the ones of the boot."""
    current = measured or Measurements()
    logs = {"srtm_boot_log": current.logs}
    if boot is not None:
        logs = {"srtm_boot_log": boot.logs, "srtm_resume_log": current.logs}
    return RequestDraft(
        payload={
            "att_type": "basic",
            "att_data": {
                "rp_id": "https://relying-party.example",
                "rp_data": encode_base64url(b"nonce of the relying party"),
                "challenge": encode_base64url(challenge),
                "tpm_att_data": {
                    "aik_cert": encode_base64url(tpm.aik_certificate),
                    "aik_pub": jwk(tpm.aik.public_key()),
                    "current_claim": platform_claim(tpm, current, challenge),
                    "boot_claim": "" if boot is None else platform_claim(tpm, boot, b"boot"),
                    **{
                        name: encode_base64url(b"".join(data for _, data in found))
                        for name, found in logs.items()
                    },
                },
                "attest_key": jwk(tpm.request_key.public_key()),
                "custom_claims": [],
                "service_context": service_context,
            },
        },
        key=tpm.request_key,
        version="attReq",
    )


def attestation(tpm: SimulatedTpm, measured: Measurements, extra_data: bytes) -> dict[str, Any]:
    """`current_attestation` or `boot_attestation`."""
    return {
        "logs": [{"type": kind, "log": encode_base64url(data)} for kind, data in measured.logs],
        "aik_cert": encode_base64url(tpm.aik_certificate),
        "aik_pub": jwk(tpm.aik.public_key()),
        "pcrs": listed_pcrs(measured.pcrs),
        **_encoded(tpm.quote(measured.pcrs, extra_data, clock=measured.clock), "quote"),
    }


def listed_pcrs(pcrs: PcrValues) -> list[dict[str, Any]]:
    """`pcrs` as a request lists them."""
    return [
        {
            "algorithm": int(bank),
            "values": [
                {"index": index, "digest": encode_base64url(digest)}
                for index, digest in values.items()
            ],
        }
        for bank, values in pcrs.items()
    ]


def certified_info(tpm: SimulatedTpm, challenge: bytes) -> dict[str, Any]:
    """`tpm_certify` of the request key."""
    public = tpm.key_public()
    return {
        "public": encode_base64url(public),
        **_encoded(tpm.certify(public, challenge), "certification"),
    }


def platform_claim(tpm: SimulatedTpm, measured: Measurements, extra_data: bytes) -> str:
    """The claim of the first version, over the strongest bank."""
    bank = max(measured.pcrs)
    values = measured.pcrs[bank]
    quote = tpm.quote({bank: values}, extra_data, clock=measured.clock)
    pcrs = b"".join(values[index] for index in sorted(values))
    numbers = (_MAGIC, 0, int(bank), len(quote.signature), len(quote.attest), len(pcrs))
    head = b"".join(number.to_bytes(4, "little") for number in numbers)
    return encode_base64url(head + quote.signature + quote.attest + pcrs)


def _encoded(signed: SignedStructure, name: str) -> dict[str, Any]:
    return {
        name: encode_base64url(signed.attest),
        "signature": encode_base64url(signed.signature),
    }
