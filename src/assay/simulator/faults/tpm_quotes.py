"""Quotes that are wrong in one thing, and attestation keys that nobody should believe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from assay.encoding import decode_base64url, encode_base64url
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.buffers import buffer
from assay.evidence.tpm.pcrs import PcrValues
from assay.evidence.tpm.verify import SignedStructure
from assay.simulator.faults.tpm_attempt import (
    Judgement,
    TpmAttempt,
    TpmFault,
    put_quote,
    tpm_attempt,
    with_draft,
)
from assay.simulator.tpm.platform import SimulatedTpm, generate_key, jwk, untouched_pcrs
from assay.simulator.tpm.request import CHALLENGE, RequestDraft, draft_v2, listed_pcrs
from assay.simulator.tpm.structures import CERTIFY, AttestHead, quote_body, sign
from assay.x509.path import PathAnchors

_ATTEST: Final = "tpm.attest.format"
_CHAIN: Final = "tpm.aik_certificate.chain"
_SHA256: Final = HashAlgorithm.SHA256
_YEARS: Final = timedelta(days=3650)


def _quoted(draft: RequestDraft) -> SignedStructure:
    return SignedStructure(
        attest=decode_base64url(draft.current["quote"], "quote"),
        signature=decode_base64url(draft.current["signature"], "signature"),
    )


def _edited(edit: Callable[[bytes], bytes]) -> Callable[[SimulatedTpm], TpmAttempt]:
    """Change what is signed, and sign it again."""

    def apply(tpm: SimulatedTpm, draft: RequestDraft) -> None:
        put_quote(draft, tpm.signed(edit(_quoted(draft).attest)))

    return with_draft(apply)


def _resigned(edit: Callable[[bytes], bytes]) -> Callable[[SimulatedTpm], TpmAttempt]:
    """Change the signature."""

    def apply(_tpm: SimulatedTpm, draft: RequestDraft) -> None:
        quote = _quoted(draft)
        put_quote(draft, replace(quote, signature=edit(quote.signature)))

    return with_draft(apply)


def _of(quoted: PcrValues, listed: PcrValues | None = None) -> Callable[[SimulatedTpm], TpmAttempt]:
    """A quote of some PCRs beside a list of some."""

    def apply(tpm: SimulatedTpm, draft: RequestDraft) -> None:
        draft.current["pcrs"] = listed_pcrs(quoted if listed is None else listed)
        put_quote(draft, tpm.quote(quoted, _extra_data(draft)))

    return with_draft(apply)


def _extra_data(draft: RequestDraft) -> bytes:
    attest = _quoted(draft).attest
    # Behind magic, type and a qualified signer of 34 bytes: the size of 32 bytes, and these.
    return attest[44:76]


def _head(**changes: Any) -> Callable[[SimulatedTpm], TpmAttempt]:  # noqa: ANN401  by name
    def apply(tpm: SimulatedTpm, draft: RequestDraft) -> None:
        head = AttestHead(qualified_signer=tpm.qualified_signer, extra_data=_extra_data(draft))
        body = quote_body({_SHA256: untouched_pcrs()}, _SHA256)
        put_quote(draft, tpm.signed(replace(head, **changes).encode(body)))

    return with_draft(apply)


def _signed_by(key: Any, hash_algorithm: HashAlgorithm = _SHA256) -> Any:  # noqa: ANN401  a maker
    def apply(tpm: SimulatedTpm, draft: RequestDraft) -> None:
        attest = _quoted(draft).attest
        signature = sign(key(tpm), attest, hash_algorithm=hash_algorithm)
        put_quote(draft, SignedStructure(attest=attest, signature=signature))

    return with_draft(apply)


def _certificate(
    make: Callable[[SimulatedTpm, x509.CertificateBuilder], x509.Certificate],
) -> Callable[[SimulatedTpm], TpmAttempt]:
    """Another certificate of the attestation key."""

    def apply(tpm: SimulatedTpm) -> TpmAttempt:
        certificate = make(tpm, _builder(tpm, tpm.aik.public_key(), tpm.root.subject))
        return _attempt_with(tpm, certificate.public_bytes(Encoding.DER))

    return apply


def _attempt_with(
    tpm: SimulatedTpm, certificate: bytes, judgement: Judgement | None = None
) -> TpmAttempt:
    draft = draft_v2(tpm)
    draft.current["aik_cert"] = encode_base64url(certificate)
    return tpm_attempt(tpm, draft.sign(), judgement)


def _builder(
    tpm: SimulatedTpm, key: rsa.RSAPublicKey, issuer: x509.Name, subject: str = "some key"
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(7)
        .not_valid_before(tpm.created_at - timedelta(days=1))
        .not_valid_after(tpm.created_at + _YEARS)
    )


def _purpose(builder: x509.CertificateBuilder, oid: str = "2.23.133.8.3") -> Any:  # noqa: ANN401
    usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid)])
    return builder.add_extension(usage, critical=False)


def _unknown_extension(tpm: SimulatedTpm, builder: x509.CertificateBuilder) -> x509.Certificate:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    critical = _purpose(builder).add_extension(extension, critical=True)
    found: x509.Certificate = critical.sign(tpm.root_key, hashes.SHA256())
    return found


def _authority(tpm: SimulatedTpm, builder: x509.CertificateBuilder) -> x509.Certificate:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    found: x509.Certificate = (_purpose(builder).add_extension(constraints, critical=True)).sign(
        tpm.root_key, hashes.SHA256()
    )
    return found


def _below(
    path_length: int | None = 0,
    *,
    usage: str = "",
    ca: bool = True,
    intermediates: int = 1,
    bits: int = 2048,
) -> Callable[[SimulatedTpm], TpmAttempt]:
    """A certificate below authorities that the operator names and that are not fit."""

    def apply(tpm: SimulatedTpm) -> TpmAttempt:
        issuer, issuer_key = tpm.root.subject, tpm.root_key
        between = []
        for number in range(intermediates):
            key = generate_key(bits)
            builder = _builder(tpm, key.public_key(), issuer, f"authority {number}")
            builder = builder.add_extension(
                x509.BasicConstraints(ca=ca, path_length=path_length if ca else None),
                critical=True,
            ).add_extension(_SIGNING, critical=True)
            chosen = _purpose(builder, usage) if usage else builder
            between.append(chosen.sign(issuer_key, hashes.SHA256()))
            issuer, issuer_key = between[-1].subject, key
        leaf = _purpose(_builder(tpm, tpm.aik.public_key(), issuer)).sign(
            issuer_key, hashes.SHA256()
        )
        anchors = PathAnchors(roots=(tpm.root,), intermediates=tuple(between))
        return _attempt_with(tpm, leaf.public_bytes(Encoding.DER), Judgement(anchors=anchors))

    return apply


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])


_SIGNING: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _another_key(tpm: SimulatedTpm) -> TpmAttempt:
    draft = draft_v2(tpm)
    draft.current["aik_pub"] = jwk(generate_key().public_key())
    return tpm_attempt(tpm, draft.sign())


def _dated(days: int) -> Callable[[SimulatedTpm], TpmAttempt]:
    later = Judgement(later=timedelta(days=days))
    return lambda tpm: tpm_attempt(tpm, draft_v2(tpm).sign(), later)


def _untrusted(tpm: SimulatedTpm) -> TpmAttempt:
    return tpm_attempt(tpm, draft_v2(tpm).sign(), Judgement(anchors=PathAnchors(roots=())))


def _without(index: int) -> dict[int, bytes]:
    return {one: value for one, value in untouched_pcrs().items() if one != index}


_ALL: Final = {_SHA256: untouched_pcrs()}
_SHA1: Final = {HashAlgorithm.SHA1: untouched_pcrs(HashAlgorithm.SHA1)}
_CHANGED: Final = {_SHA256: untouched_pcrs() | {7: b"\1" * 32}}
_RESIZED: Final = {_SHA256: untouched_pcrs() | {7: b"\1" * 20}}

TPM_QUOTE_FAULTS: Final = (
    TpmFault("quote-by-another-key", "tpm.quote.signature", _signed_by(lambda tpm: tpm.root_key)),
    TpmFault(
        "quote-over-sha1",
        "tpm.signature.algorithm",
        _signed_by(lambda tpm: tpm.aik, HashAlgorithm.SHA1),
    ),
    TpmFault(
        "quote-by-a-key-of-another-kind",
        "tpm.signature.algorithm",
        _signed_by(lambda _tpm: ec.generate_private_key(ec.SECP256R1())),
    ),
    TpmFault("quote-of-another-challenge", "tpm.quote.nonce", _head(extra_data=CHALLENGE)),
    TpmFault("quote-no-magic", _ATTEST, _head(magic=0)),
    TpmFault("quote-is-a-certification", _ATTEST, _head(kind=CERTIFY)),
    TpmFault("quote-of-an-unknown-kind", _ATTEST, _head(kind=0x8099)),
    TpmFault("quote-signer-too-long", _ATTEST, _head(qualified_signer=bytes(67))),
    TpmFault("quote-byte-left", _ATTEST, _edited(lambda quote: quote + b"\0")),
    TpmFault("quote-byte-missing", _ATTEST, _edited(lambda quote: quote[:-1])),
    TpmFault("quote-oversized", _ATTEST, _edited(lambda quote: quote + bytes(5000))),
    TpmFault(
        "quote-clock-neither-safe-nor-not",
        _ATTEST,
        _edited(lambda quote: quote[:92] + b"\2" + quote[93:]),
    ),
    TpmFault(
        "quote-too-many-banks",
        _ATTEST,
        _edited(lambda quote: quote[:101] + b"\0\0\0\x11" + quote[105:]),
    ),
    TpmFault(
        "quote-bank-twice",
        _ATTEST,
        _edited(lambda quote: quote[:101] + b"\0\0\0\2" + 2 * quote[105:111] + quote[111:]),
    ),
    TpmFault(
        "quote-bank-unknown",
        _ATTEST,
        _edited(lambda quote: quote[:105] + b"\0\x12" + quote[107:]),
    ),
    TpmFault(
        "quote-bitmap-too-small",
        _ATTEST,
        _edited(lambda quote: quote[:107] + b"\2" + quote[108:110] + quote[111:]),
    ),
    TpmFault(
        "quote-pcr-that-is-not",
        _ATTEST,
        _edited(lambda quote: quote[:107] + b"\4" + quote[108:111] + b"\1" + quote[111:]),
    ),
    TpmFault("quote-of-nothing", "tpm.quote.no_pcrs", _of({}, _ALL)),
    TpmFault("quote-of-an-empty-bank", "tpm.quote.no_pcrs", _of({_SHA256: {}}, _ALL)),
    TpmFault("quote-of-sha1-alone", "tpm.quote.weak_bank", _of(_SHA1)),
    TpmFault("quote-of-too-few", "tpm.quote.pcr_mask", _of({_SHA256: _without(7)})),
    TpmFault(
        "pcr-quoted-and-not-listed", "tpm.quote.pcr_selection", _of(_ALL, {_SHA256: _without(7)})
    ),
    TpmFault(
        "pcr-listed-and-not-quoted", "tpm.quote.pcr_selection", _of({_SHA256: _without(7)}, _ALL)
    ),
    TpmFault("bank-not-quoted", "tpm.quote.pcr_selection", _of(_ALL, _ALL | _SHA1)),
    TpmFault("pcr-changed", "tpm.quote.pcr_digest", _of(_ALL, _CHANGED)),
    TpmFault("pcr-of-another-size", "tpm.quote.pcr_size", _of(_ALL, _RESIZED)),
    TpmFault("signature-byte-left", "tpm.signature.format", _resigned(lambda found: found + b"\0")),
    TpmFault(
        "signature-of-an-unknown-scheme",
        "tpm.signature.format",
        _resigned(lambda found: b"\0\x1a" + found[2:]),
    ),
    TpmFault(
        "signature-of-an-unknown-hash",
        "tpm.signature.format",
        _resigned(lambda found: found[:2] + b"\0\x12" + found[4:]),
    ),
    TpmFault(
        "signature-empty", "tpm.signature.format", _resigned(lambda found: found[:4] + buffer(b""))
    ),
    TpmFault(
        "aik-without-certificate",
        "tpm.aik_certificate.missing",
        with_draft(lambda _tpm, draft: draft.current.pop("aik_cert")),
    ),
    TpmFault("aik-of-another-certificate", "tpm.aik_certificate.key_mismatch", _another_key),
    TpmFault("aik-root-untrusted", "tpm.aik_certificate.root_untrusted", _untrusted),
    TpmFault("aik-expired", "tpm.aik_certificate.cert_expired", _dated(5000)),
    TpmFault("aik-not-yet-valid", "tpm.aik_certificate.cert_not_yet_valid", _dated(-2)),
    TpmFault(
        "aik-certificate-no-der",
        "tpm.aik_certificate.cert_format",
        lambda tpm: _attempt_with(tpm, b"\x30\0"),
    ),
    TpmFault(
        "aik-certificate-oversized",
        "tpm.aik_certificate.cert_format",
        lambda tpm: _attempt_with(tpm, bytes(20_000)),
    ),
    TpmFault(
        "aik-signed-by-itself",
        "tpm.aik_certificate.root_untrusted",
        _certificate(lambda tpm, builder: _purpose(builder).sign(tpm.aik, hashes.SHA256())),
    ),
    TpmFault(
        "aik-for-client-authentication",
        "tpm.aik_certificate.purpose",
        _certificate(
            lambda tpm, builder: _purpose(builder, "1.3.6.1.5.5.7.3.2").sign(
                tpm.root_key, hashes.SHA256()
            )
        ),
    ),
    TpmFault(
        "aik-for-nothing",
        "tpm.aik_certificate.purpose",
        _certificate(lambda tpm, builder: builder.sign(tpm.root_key, hashes.SHA256())),
    ),
    TpmFault("aik-is-an-authority", _CHAIN, _certificate(_authority)),
    TpmFault("aik-unknown-extension", _CHAIN, _certificate(_unknown_extension)),
    TpmFault(
        "aik-certificate-over-a-weak-hash",
        _CHAIN,
        _certificate(lambda tpm, builder: _purpose(builder).sign(tpm.root_key, hashes.SHA224())),
    ),
    TpmFault("authority-with-a-weak-key", _CHAIN, _below(bits=1024)),
    TpmFault("authority-that-is-none", _CHAIN, _below(ca=False)),
    TpmFault("authorities-too-many-below", _CHAIN, _below(0, intermediates=2)),
    TpmFault(
        "authority-for-something-else",
        "tpm.aik_certificate.purpose",
        _below(usage="1.3.6.1.5.5.7.3.2"),
    ),
    TpmFault("path-too-long", "tpm.aik_certificate.root_untrusted", _below(None, intermediates=5)),
)
