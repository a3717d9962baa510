"""An attester with a TPM: quotes that are bound to a challenge and a key, with their logs.

Source: Microsoft Azure Attestation, TPM and VBS attestation protocol, request V1 and V2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from assay.attester.errors import AttesterError
from assay.attester.tpm.command import TpmResponseError
from assay.attester.tpm.device import Hierarchy, LoadedKey, TpmDevice
from assay.attester.tpm.request_signing import RequestKey, SoftwareKey
from assay.attester.tpm.templates import aik_template, ek_template
from assay.encoding import JsonValue, encode_base64url, encode_json
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import PCR_COUNT
from assay.evidence.tpm.request import SentLog
from assay.evidence.tpm.signature import PublicKey
from assay.evidence.tpm.verify import SignedStructure

_EK_HANDLE: Final = 0x81010001
"""Where the TCG's guidance has the RSA endorsement key, if anywhere."""

_EK_CERTIFICATE: Final = 0x01C00002
_MAX_TRIES: Final = 5
_LONG_LENGTH: Final = b"\x30\x82"
_LONG_HEAD: Final = 4
_PLATFORM_CLAIM: Final = 0x54504C41

Selection = Mapping[HashAlgorithm, tuple[int, ...]]
ALL_PCRS: Final[Selection] = {HashAlgorithm.SHA256: tuple(range(PCR_COUNT))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A quote, and what it is of."""

    quote: SignedStructure
    pcrs: Mapping[HashAlgorithm, Mapping[int, bytes]]
    logs: tuple[SentLog, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmAgent:
    """Attests with one attestation key, which is loaded for as long as `open_agent` runs."""

    device: TpmDevice
    aik: LoadedKey
    aik_certificate: bytes | None
    read_logs: Callable[[], tuple[SentLog, ...]]
    selection: Selection

    def measure(self, extra_data: bytes) -> Measured:
        """A quote with logs and values that fit it.

        Raises:
            AttesterError: PCRs change faster than they can be read.
        """
        for _ in range(_MAX_TRIES):
            before = self._values()
            quote = self.device.quote(self.aik, extra_data, self.selection)
            logs = self.read_logs()
            # What was measured meanwhile may be in the log and not in the quote.
            if self._values() == before:
                return Measured(quote=quote, pcrs=before, logs=logs)
        raise AttesterError("the PCRs change while they are quoted; try again on a quiet machine")

    def attestation(self, extra_data: bytes) -> dict[str, JsonValue]:
        """`current_attestation`, or `boot_attestation` where it is kept for later."""
        measured = self.measure(extra_data)
        found: dict[str, JsonValue] = {
            "logs": [
                {"type": log.kind.value, "log": encode_base64url(log.data)} for log in measured.logs
            ],
            "aik_pub": public_jwk(self.aik.public.key),
            "pcrs": [_bank(bank, values) for bank, values in measured.pcrs.items()],
            "quote": encode_base64url(measured.quote.attest),
            "signature": encode_base64url(measured.quote.signature),
        }
        if self.aik_certificate is not None:
            found["aik_cert"] = encode_base64url(self.aik_certificate)
        return found

    def request(
        self,
        challenge: bytes,
        service_context: str,
        key: RequestKey,
        *,
        rp_data: bytes = b"",
        boot: dict[str, JsonValue] | None = None,
    ) -> str:
        """A request of the second version.

        Args:
            challenge: The service's.
            service_context: Likewise, as it came.
            key: What signs: a key of the TPM is certified by it, another one goes into the quote.
            rp_data: What the relying party wants to find in the report.
            boot: What `attestation` gave before the last restart.
        """
        jwk = public_jwk(key.public)
        info, extra_data = self._binding(key, jwk, challenge)
        platform: dict[str, JsonValue] = {"current_attestation": self.attestation(extra_data)}
        if boot is not None:
            platform["boot_attestation"] = boot
        data: dict[str, JsonValue] = {
            "rp_id": "",
            "rp_data": encode_base64url(rp_data),
            "challenge": encode_base64url(challenge),
            "tpm_att_data": platform,
            "request_key": {"jwk": jwk, "info": info},
            "service_context": service_context,
        }
        return _jws({"att_type": "basic", "att_data": data}, key, "attReqV2")

    def request_v1(
        self, challenge: bytes, service_context: str, key: RequestKey, *, rp_data: bytes = b""
    ) -> str:
        """A request of the first version, which binds its key to nothing."""
        measured = self.measure(challenge)
        log = b"".join(log.data for log in measured.logs)
        platform: dict[str, JsonValue] = {
            "srtm_boot_log": encode_base64url(log),
            "aik_pub": public_jwk(self.aik.public.key),
            "current_claim": encode_base64url(platform_claim(measured)),
            "aik_cert": encode_base64url(self.aik_certificate or b""),
        }
        data: dict[str, JsonValue] = {
            "rp_id": "",
            "rp_data": encode_base64url(rp_data),
            "challenge": encode_base64url(challenge),
            "tpm_att_data": platform,
            "attest_key": public_jwk(key.public),
            "custom_claims": [],
            "service_context": service_context,
        }
        return _jws({"att_type": "basic", "att_data": data}, key, "attReq")

    def _binding(
        self, key: RequestKey, jwk: dict[str, JsonValue], challenge: bytes
    ) -> tuple[dict[str, JsonValue], bytes]:
        if isinstance(key, SoftwareKey):
            digest = HashAlgorithm.SHA256.digest(encode_json(jwk) + b"\0" + challenge)
            return {"tpm_quote": {"hash_alg": "sha-256"}}, digest
        certified = self.device.certify(key.loaded, self.aik, challenge)
        info: dict[str, JsonValue] = {
            "public": encode_base64url(key.loaded.public.encoded),
            "certification": encode_base64url(certified.attest),
            "signature": encode_base64url(certified.signature),
        }
        return {"tpm_certify": info}, challenge

    def _values(self) -> dict[HashAlgorithm, dict[int, bytes]]:
        return {
            bank: self.device.read_pcrs(bank, indexes) for bank, indexes in self.selection.items()
        }


@contextmanager
def open_agent(
    device: TpmDevice,
    read_logs: Callable[[], tuple[SentLog, ...]],
    *,
    aik_certificate: bytes | None = None,
    selection: Selection = ALL_PCRS,
    template: bytes | None = None,
) -> Iterator[TpmAgent]:
    """An agent whose attestation key is loaded.

    Args:
        device: The TPM.
        read_logs: What reads the logs, each time anew.
        aik_certificate: The attestation key's certificate, in DER.
        selection: The PCRs to quote.
        template: Of the attestation key; RSA by default.
    """
    with device.primary(Hierarchy.ENDORSEMENT, template or aik_template()) as aik:
        yield TpmAgent(
            device=device,
            aik=aik,
            aik_certificate=aik_certificate,
            read_logs=read_logs,
            selection=selection,
        )


@contextmanager
def endorsement_key(device: TpmDevice) -> Iterator[LoadedKey]:
    """The RSA endorsement key: the one that is there, or made from the TCG's template."""
    with ExitStack() as stack:
        try:
            key = device.read_public(_EK_HANDLE)
        except TpmResponseError:
            key = stack.enter_context(device.primary(Hierarchy.ENDORSEMENT, ek_template()))
        yield key


def endorsement_certificate(device: TpmDevice) -> bytes | None:
    """The certificate that the TPM's maker put into it, in DER, if it did."""
    try:
        data = device.read_nv(_EK_CERTIFICATE)
    except TpmResponseError:
        return None
    # What follows the certificate fills the place that it was put in.
    if data.startswith(_LONG_LENGTH):
        return data[: _LONG_HEAD + int.from_bytes(data[2:_LONG_HEAD], "big")]
    return data


def public_jwk(key: PublicKey) -> dict[str, JsonValue]:
    """A public key as JWK."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            "kty": "RSA",
            "n": _number(numbers.n, key.key_size),
            "e": _number(numbers.e, numbers.e.bit_length()),
        }
    return _ec_jwk(key)


def platform_claim(measured: Measured) -> bytes:
    """What Windows frames a quote in, for the first version: all PCRs of one bank."""
    ((bank, values),) = measured.pcrs.items()
    pcrs = b"".join(values[index] for index in sorted(values))
    quote = measured.quote
    numbers = (_PLATFORM_CLAIM, 0, bank, len(quote.signature), len(quote.attest), len(pcrs))
    head = b"".join(number.to_bytes(4, "little") for number in numbers)
    return head + quote.signature + quote.attest + pcrs


def _ec_jwk(key: ec.EllipticCurvePublicKey) -> dict[str, JsonValue]:
    numbers = key.public_numbers()
    size = (key.curve.key_size + 7) // 8 * 8
    return {
        "kty": "EC",
        "crv": f"P-{key.curve.key_size}",
        "x": _number(numbers.x, size),
        "y": _number(numbers.y, size),
    }


def _number(value: int, bits: int) -> str:
    return encode_base64url(value.to_bytes((bits + 7) // 8, "big"))


def _bank(bank: HashAlgorithm, values: Mapping[int, bytes]) -> JsonValue:
    return {
        "algorithm": int(bank),
        "values": [
            {"index": index, "digest": encode_base64url(digest)} for index, digest in values.items()
        ],
    }


def _jws(payload: dict[str, Any], key: RequestKey, kind: str) -> str:
    header = encode_base64url(encode_json({"alg": "PS256", "typ": kind}))
    text = f"{header}.{encode_base64url(encode_json(payload))}"
    return f"{text}.{encode_base64url(key.sign(text.encode('ascii')))}"
