"""Verification of TPM evidence as a whole: the request, and what the logs prove was measured."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from assay.encoding import JsonValue, encode_base64url
from assay.evidence.tpm.enclave import parse_enclave_report
from assay.evidence.tpm.enclave_verify import VerifiedEnclave, verify_enclave
from assay.evidence.tpm.event_log import EventLog, parse_event_log
from assay.evidence.tpm.idks import read_idks
from assay.evidence.tpm.ima_log import ImaLog, parse_ima_log
from assay.evidence.tpm.log_verify import verify_event_logs
from assay.evidence.tpm.measured_log import MeasuredLog
from assay.evidence.tpm.request import (
    BoundKey,
    LogKind,
    PlatformAttestation,
    QuoteBinding,
    SentLog,
    TpmRequest,
)
from assay.evidence.tpm.request_verify import (
    Binding,
    RequestRules,
    VerifiedTpmRequest,
    verify_request,
)
from assay.evidence.tpm.verify import VerifiedTpmKey, VerifiedTpmQuote


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A quote, and the logs that lead to it."""

    quote: VerifiedTpmQuote
    log: MeasuredLog


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTpmEvidence:
    """Everything that a request proves.

    Only this module constructs it; `tests/test_architecture.py` fails otherwise.
    """

    verified: VerifiedTpmRequest
    current: Boot
    boot: Boot | None
    """Before the last restart; nothing where there was none."""

    enclave: VerifiedEnclave | None
    """What sent the request, if it was an enclave."""

    @property
    def request(self) -> TpmRequest:
        """What was sent."""
        return self.verified.request

    @property
    def binding(self) -> Binding:
        """What ties the request key to the platform."""
        return self.verified.binding

    @property
    def request_key_view(self) -> dict[str, JsonValue]:
        """The request key as policies and reports see it."""
        return _key_view(self.request.request_key, self.verified.certified[0])

    @property
    def request_key_text(self) -> str:
        """The same as JSON, with the JWK as it was sent."""
        return _key_text(self.request.request_key, self.verified.certified[0])

    @property
    def other_keys_text(self) -> str:
        """The other keys as JSON, likewise."""
        keys = zip(self.request.other_keys, self.verified.certified[1:], strict=True)
        return f"[{','.join(_key_text(key, certified) for key, certified in keys)}]"


def verify_evidence(request: TpmRequest, rules: RequestRules) -> VerifiedTpmEvidence:
    """Verify a request and the logs in it.

    Raises:
        MalformedEvidenceError: A structure or a log does not parse.
        UntrustedEvidenceError: A check failed.
    """
    verified = verify_request(request, rules)
    boot = None
    if request.resumed and request.boot is not None and verified.boot is not None:
        boot = _measured(request.boot, verified.boot)
    current = _measured(request.current, verified.current)
    enclave = None
    if request.enclave is not None:
        enclave = verify_enclave(
            parse_enclave_report(request.enclave.report),
            signing_key=read_idks(current.log),
            text=request.enclave.text,
        )
    return VerifiedTpmEvidence(verified=verified, current=current, boot=boot, enclave=enclave)


def _measured(attestation: PlatformAttestation, quote: VerifiedTpmQuote) -> Boot:
    logs = [_parse_log(log) for log in attestation.logs]
    return Boot(quote=quote, log=verify_event_logs(logs, quote.pcrs))


def _parse_log(log: SentLog) -> EventLog | ImaLog:
    return parse_event_log(log.data) if log.kind is LogKind.TCG else parse_ima_log(log.data)


def _key_view(key: BoundKey, certified: VerifiedTpmKey | None) -> dict[str, JsonValue]:
    info = _info(key, certified)
    view: dict[str, JsonValue] = {"jwk": dict(key.jwk)}
    return {**view, "info": info} if info else view


def _key_text(key: BoundKey, certified: VerifiedTpmKey | None) -> str:
    # The text as sent: a policy may compare it with one that it was given elsewhere.
    view: dict[str, object] = {"jwk": msgspec.Raw(key.text)}
    if info := _info(key, certified):
        view["info"] = info
    return msgspec.json.encode(view).decode("utf-8")


def _info(key: BoundKey, certified: VerifiedTpmKey | None) -> dict[str, JsonValue]:
    if isinstance(key.binding, QuoteBinding):
        return {"tpm_quote": {"hash_alg": f"sha-{key.binding.hash.size * 8}"}}
    if certified is None:
        return {}
    public = certified.public
    view: dict[str, JsonValue] = {
        "name_alg": int(public.name_algorithm),
        "obj_attr": int(public.attributes),
    }
    if public.auth_policy:
        view["auth_policy"] = encode_base64url(public.auth_policy)
    return {"tpm_certify": view}
