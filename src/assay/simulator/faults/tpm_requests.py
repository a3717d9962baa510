"""Requests of TPMs that are wrong in one thing: their form, their key, what binds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from assay.encoding import decode_base64url, encode_base64url, encode_json
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.attest import ClockInfo
from assay.simulator.faults.tpm_attempt import (
    TpmAttempt,
    TpmFault,
    tpm_attempt,
    with_draft,
    with_text,
)
from assay.simulator.tpm.platform import (
    FIRST_CLOCK,
    SimulatedTpm,
    generate_key,
    jwk,
    untouched_pcrs,
)
from assay.simulator.tpm.request import (
    Measurements,
    RequestDraft,
    certified_info,
    draft_v1,
    draft_v2,
    sign_jws,
)
from assay.simulator.tpm.structures import (
    SIGNING_ATTRIBUTES,
    AttestHead,
    public_area,
    quote_body,
)

_JWS: Final = "tpm.request.jws"
_FORMAT: Final = "tpm.request.format"
_LATER: Final = replace(FIRST_CLOCK, restart_count=1, clock=FIRST_CLOCK.clock + 1)


def _header(**members: Any) -> Any:  # noqa: ANN401  of JSON
    def apply(tpm: SimulatedTpm) -> TpmAttempt:
        draft = draft_v2(tpm)
        header = {"alg": "PS256", "typ": "attReqV2"} | members
        return tpm_attempt(tpm, sign_jws(header, encode_json(draft.payload), draft.key))

    return apply


def _payload(edit: Any) -> Any:  # noqa: ANN401  a function of bytes
    def apply(tpm: SimulatedTpm) -> TpmAttempt:
        draft = draft_v2(tpm)
        header = {"alg": "PS256", "typ": "attReqV2"}
        return tpm_attempt(tpm, sign_jws(header, edit(encode_json(draft.payload)), draft.key))

    return apply


def _data(**members: Any) -> Any:  # noqa: ANN401  of JSON
    return with_draft(lambda _tpm, draft: draft.data.update(members))


def _current(**members: Any) -> Any:  # noqa: ANN401  of JSON
    return with_draft(lambda _tpm, draft: draft.current.update(members))


def _salted_otherwise(tpm: SimulatedTpm) -> TpmAttempt:
    text = draft_v2(tpm).sign().rpartition(".")[0]
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    signature = tpm.request_key.sign(text.encode("ascii"), pss, hashes.SHA256())
    return tpm_attempt(tpm, f"{text}.{encode_base64url(signature)}")


def _other_keys(count: int, info: dict[str, Any]) -> Any:  # noqa: ANN401  of JSON
    def edit(tpm: SimulatedTpm, draft: RequestDraft) -> None:
        key = {"jwk": jwk(tpm.request_key.public_key()), "info": info}
        draft.data["other_keys"] = [key] * count

    return with_draft(edit)


def _two_bindings(tpm: SimulatedTpm, draft: RequestDraft) -> None:
    draft.data["request_key"]["info"]["tpm_certify"] = certified_info(tpm, b"")


def _key(members: dict[str, Any]) -> Any:  # noqa: ANN401  of JSON
    return with_draft(lambda _tpm, draft: draft.data["request_key"]["jwk"].update(members))


def _key_on_a_curve(_tpm: SimulatedTpm, draft: RequestDraft) -> None:
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    draft.data["request_key"]["jwk"] = {
        "kty": "EC",
        "crv": "P-256",
        "x": encode_base64url(numbers.x.to_bytes(32, "big")),
        "y": encode_base64url(numbers.y.to_bytes(32, "big")),
    }


def _curve_key(**members: str) -> Any:  # noqa: ANN401  of JSON
    point = {"x": encode_base64url(bytes(32)), "y": encode_base64url(bytes(32))}
    key = {"kty": "EC", "crv": "P-256", **point, **members}
    return with_draft(lambda _tpm, draft: draft.data["request_key"].update(jwk=key))


def _spaced(tpm: SimulatedTpm) -> TpmAttempt:
    draft = draft_v2(tpm)
    payload = encode_json(draft.payload).replace(b'{"kty":"RSA"', b'{ "kty":"RSA"')
    header = {"alg": "PS256", "typ": "attReqV2"}
    return tpm_attempt(tpm, sign_jws(header, payload, draft.key))


def _swapped_key(_tpm: SimulatedTpm, draft: RequestDraft) -> RequestDraft:
    other = generate_key()
    draft.data["request_key"]["jwk"] = jwk(other.public_key())
    return replace(draft, key=other)


def _certified(change: str) -> Any:  # noqa: ANN401  one of three
    def edit(tpm: SimulatedTpm, draft: RequestDraft) -> None:
        info = draft.data["request_key"]["info"]["tpm_certify"]
        other = public_area(generate_key().public_key(), attributes=SIGNING_ATTRIBUTES)
        if change == "public":
            info["public"] = encode_base64url(other)
        elif change == "key":
            signed = tpm.certify(other, _challenge(draft))
            info["public"] = encode_base64url(other)
            info["certification"] = encode_base64url(signed.attest)
            info["signature"] = encode_base64url(signed.signature)
        else:
            info["signature"] = draft.current["signature"]

    return with_draft(edit, certified=True)


def _challenge(draft: RequestDraft) -> bytes:
    return decode_base64url(draft.data["challenge"], "challenge")


def _certified_before(tpm: SimulatedTpm, draft: RequestDraft) -> None:
    info = certified_info(tpm, bytes(16))
    draft.data["request_key"]["info"]["tpm_certify"] = info


def _booted(clock: ClockInfo, current: ClockInfo) -> Any:  # noqa: ANN401  of a TPM
    return lambda tpm: tpm_attempt(
        tpm,
        draft_v2(tpm, measured=Measurements(clock=current), boot=Measurements(clock=clock)).sign(),
    )


def _booted_by_another(tpm: SimulatedTpm) -> TpmAttempt:
    draft = draft_v2(tpm, measured=Measurements(clock=_LATER), boot=Measurements(clock=FIRST_CLOCK))
    boot = draft.data["tpm_att_data"]["boot_attestation"]
    boot["aik_pub"] = jwk(generate_key().public_key())
    return tpm_attempt(tpm, draft.sign())


def _booted_under_another_name(tpm: SimulatedTpm) -> TpmAttempt:
    draft = draft_v2(tpm, measured=Measurements(clock=_LATER), boot=Measurements(clock=FIRST_CLOCK))
    head = AttestHead(qualified_signer=b"another", extra_data=b"boot")
    pcrs = {HashAlgorithm.SHA256: untouched_pcrs()}
    quote = tpm.signed(head.encode(quote_body(pcrs, HashAlgorithm.SHA256)))
    boot = draft.data["tpm_att_data"]["boot_attestation"]
    boot["quote"] = encode_base64url(quote.attest)
    boot["signature"] = encode_base64url(quote.signature)
    return tpm_attempt(tpm, draft.sign())


def _first_version(edit: Any) -> Any:  # noqa: ANN401  a function of a claim
    def apply(tpm: SimulatedTpm) -> TpmAttempt:
        draft = draft_v1(tpm)
        platform = draft.data["tpm_att_data"]
        claim = decode_base64url(platform["current_claim"], "claim")
        platform["current_claim"] = encode_base64url(edit(claim))
        return tpm_attempt(tpm, draft.sign())

    return apply


def _with_bank(claim: bytes, number: int) -> bytes:
    return claim[:8] + number.to_bytes(4, "little") + claim[12:]


def _log(tpm: SimulatedTpm, draft: RequestDraft) -> None:
    del tpm
    draft.current["logs"] = [{"type": "TCG", "log": ""}] * 9


TPM_REQUEST_FAULTS: Final = (
    TpmFault("jws-two-parts", _JWS, with_text(lambda text: text.rpartition(".")[0])),
    TpmFault("jws-padded", _JWS, with_text(lambda text: text.replace(".", "=.", 1))),
    TpmFault("jws-no-text", _JWS, with_text(lambda text: "?" + text)),
    TpmFault("jws-other-algorithm", _JWS, _header(alg="RS256")),
    TpmFault("jws-without-algorithm", _JWS, _header(alg="none")),
    TpmFault("jws-own-key", _JWS, _header(jwk={})),
    TpmFault("jws-other-type", _JWS, _header(typ="JWT")),
    TpmFault("jws-type-no-text", _JWS, _header(typ=2)),
    TpmFault("jws-other-salt", "tpm.request.signature", _salted_otherwise),
    TpmFault(
        "jws-other-key",
        "tpm.request.signature",
        with_draft(lambda tpm, draft: replace(draft, key=tpm.root_key)),
    ),
    TpmFault("jws-key-on-a-curve", "tpm.request.signature", with_draft(_key_on_a_curve)),
    TpmFault("payload-no-json", _FORMAT, _payload(lambda payload: payload + b"}")),
    TpmFault(
        "payload-member-twice",
        _FORMAT,
        _payload(lambda payload: payload.replace(b'{"rp_id"', b'{"rp_id":"","rp_id"')),
    ),
    TpmFault("payload-other-member", _FORMAT, _data(more=1)),
    TpmFault("payload-first-version", _FORMAT, _header(typ="attReq")),
    TpmFault("challenge-short", _FORMAT, _data(challenge="AAAA")),
    TpmFault("challenge-padded", _FORMAT, _data(challenge="AAECAwQFBgcICQoLDA0ODw==")),
    TpmFault(
        "challenge-other", "tpm.request.challenge", _data(challenge=encode_base64url(bytes(16)))
    ),
    TpmFault("text-oversized", _FORMAT, _data(rp_id="x" * 5000)),
    TpmFault(
        "custom-claims-too-many", _FORMAT, _data(custom_claims=[{"name": "a", "value": 1}] * 65)
    ),
    TpmFault(
        "custom-claim-too-large", _FORMAT, _data(custom_claims=[{"name": "a", "value": 1 << 63}])
    ),
    TpmFault("logs-too-many", _FORMAT, with_draft(_log)),
    TpmFault("banks-twice", _FORMAT, _current(pcrs=[{"algorithm": 11, "values": []}] * 2)),
    TpmFault("bank-unknown", _FORMAT, _current(pcrs=[{"algorithm": 18, "values": []}])),
    TpmFault(
        "pcr-twice",
        _FORMAT,
        _current(pcrs=[{"algorithm": 11, "values": [{"index": 0, "digest": ""}] * 2}]),
    ),
    TpmFault(
        "pcr-out-of-range",
        _FORMAT,
        _current(pcrs=[{"algorithm": 11, "values": [{"index": 24, "digest": ""}]}]),
    ),
    TpmFault("other-keys-too-many", _FORMAT, _other_keys(3, {})),
    TpmFault("other-key-quoted", _FORMAT, _other_keys(1, {"tpm_quote": {"hash_alg": "sha-256"}})),
    TpmFault("key-bound-twice", _FORMAT, with_draft(_two_bindings)),
    TpmFault(
        "key-bound-by-sha1",
        _FORMAT,
        with_draft(
            lambda _tpm, draft: draft.data["request_key"].update(
                info={"tpm_quote": {"hash_alg": "sha-1"}}
            )
        ),
    ),
    TpmFault(
        "key-unbound",
        "tpm.request_key.unbound",
        with_draft(lambda _tpm, draft: draft.data["request_key"].pop("info")),
    ),
    TpmFault("key-swapped", "tpm.quote.nonce", with_draft(_swapped_key)),
    TpmFault("key-text-changed", "tpm.quote.nonce", _spaced),
    TpmFault("key-symmetric", "tpm.key.format", _key({"kty": "oct"})),
    TpmFault("key-short", "tpm.key.format", _key({"n": encode_base64url(b"\xff" * 128)})),
    TpmFault("key-long", "tpm.key.format", _key({"n": encode_base64url(b"\xff" * 1024)})),
    TpmFault("key-exponent-one", "tpm.key.format", _key({"e": "AQ"})),
    TpmFault("key-no-modulus", "tpm.key.format", _key({"n": 1})),
    TpmFault("key-no-base64", "tpm.key.format", _key({"n": "?"})),
    TpmFault("key-off-its-curve", "tpm.key.format", _curve_key()),
    TpmFault("key-weak-curve", "tpm.key.format", _curve_key(crv="secp256k1")),
    TpmFault("key-short-coordinate", "tpm.key.format", _curve_key(x="AA")),
    TpmFault("certified-by-another", "tpm.certify.signature", _certified("signature")),
    TpmFault("certified-another-name", "tpm.certify.name", _certified("public")),
    TpmFault("certified-another-key", "tpm.certify.key", _certified("key")),
    TpmFault(
        "certified-before", "tpm.certify.nonce", with_draft(_certified_before, certified=True)
    ),
    TpmFault("boot-other-name", "tpm.boot.signer", _booted_under_another_name),
    TpmFault("boot-other-key", "tpm.boot.signer", _booted_by_another),
    TpmFault(
        "boot-other-cycle",
        "tpm.boot.cycle",
        _booted(replace(FIRST_CLOCK, reset_count=2), _LATER),
    ),
    TpmFault("boot-not-restarted", "tpm.boot.order", _booted(FIRST_CLOCK, FIRST_CLOCK)),
    TpmFault(
        "boot-after-current", "tpm.boot.order", _booted(replace(FIRST_CLOCK, clock=1 << 40), _LATER)
    ),
    TpmFault(
        "claim-of-another-kind",
        "tpm.platform_claim.format",
        _first_version(lambda claim: b"\0" + claim[1:]),
    ),
    TpmFault(
        "claim-of-an-unknown-bank",
        "tpm.platform_claim.format",
        _first_version(lambda claim: _with_bank(claim, 18)),
    ),
    TpmFault(
        "claim-over-fewer-pcrs",
        "tpm.platform_claim.format",
        _first_version(lambda claim: _with_bank(claim, HashAlgorithm.SHA384)),
    ),
)
