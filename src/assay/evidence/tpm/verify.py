"""Verification of quotes, certifications and certificates of attestation keys.

Pure: what is to be believed and the instant go in; nothing is read from anywhere.

Source: TPM 2.0 Library, Part 1, section 31 (attestation); TCG TPM v2.0 Provisioning Guidance for
what to check. The numbers are those of the order that a quote is checked in.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from assay.errors import Finding, UntrustedEvidenceError
from assay.evidence.tpm.algorithms import STRONG_HASHES, HashAlgorithm
from assay.evidence.tpm.attest import (
    PCR_COUNT,
    TpmCertification,
    TpmQuote,
    parse_certification,
    parse_quote,
)
from assay.evidence.tpm.pcrs import PcrValues, composite_digest
from assay.evidence.tpm.public import TpmPublic, parse_public
from assay.evidence.tpm.signature import (
    PublicKey,
    parse_signature,
    same_key,
    verify_signature,
)
from assay.x509.path import PathAnchors, PathProfile, read_certificate, verify_path

ALL_PCRS: Final = (1 << PCR_COUNT) - 1

AIK_PROFILE: Final = PathProfile(
    check="tpm.aik_certificate",
    label="attestation key certificate",
    usage=x509.ObjectIdentifier("2.23.133.8.3"),
)
EK_PROFILE: Final = PathProfile(
    check="tpm.ek_certificate",
    label="endorsement key certificate",
    usage=x509.ObjectIdentifier("2.23.133.8.1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTpmQuote:
    """A quote that an attestation key signed, with the values that it is of.

    Only this module constructs it; `tests/test_architecture.py` fails otherwise. Whether the key
    is one of a TPM is another matter: its certificate says so, or nothing does.
    """

    quote: TpmQuote
    pcrs: PcrValues
    """Exactly those that are quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedTpmKey:
    """A key that lives in the TPM of the attestation key which certified it."""

    public: TpmPublic
    certification: TpmCertification


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRules:
    """What a quote has to be, beyond sound."""

    required_pcrs: int = ALL_PCRS
    """Bit n: PCR n has to be in the quote, in one bank that is not of SHA-1."""

    hashes: frozenset[HashAlgorithm] = STRONG_HASHES
    """The hashes that signatures may be over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStructure:
    """A TPMS_ATTEST and its TPMT_SIGNATURE as they were sent."""

    attest: bytes
    signature: bytes


def verify_quote(
    sent: SignedStructure,
    key: PublicKey,
    *,
    pcrs: PcrValues,
    extra_data: bytes | None,
    rules: QuoteRules,
) -> VerifiedTpmQuote:
    """Verify a quote against the values that it is to be of.

    Not checked: that the key is in a TPM, and what the values mean.

    Args:
        sent: The quote.
        key: The attestation key.
        pcrs: The values that were sent beside it.
        extra_data: What the qualifying data must be; `None` where the quote is older than any
            challenge, and something else says that it is not another's.
        rules: What it has to cover.

    Raises:
        MalformedEvidenceError: A structure does not parse.
        UntrustedEvidenceError: A check failed.
    """
    # 1. Exactly one quote, and nothing else that a TPM signs.
    quote = parse_quote(sent.attest)
    signature = parse_signature(sent.signature)
    # 2. Signed by the attestation key.
    verify_signature(key, signature, quote.signed, check="tpm.quote.signature", hashes=rules.hashes)
    # 3. Of this challenge, and no other.
    _check_extra_data(quote.extra_data, extra_data, "tpm.quote.nonce")
    # 4. Over the PCRs that came, all of them and no others.
    _check_selection(quote, pcrs)
    # 5. Enough of them, with these values.
    _check_coverage(quote, rules.required_pcrs)
    digest = composite_digest(quote.selections, pcrs, signature.hash)
    if not hmac.compare_digest(digest, quote.pcr_digest):
        raise _refused(
            "tpm.quote.pcr_digest",
            f"the quoted digest {quote.pcr_digest.hex()} over the listed PCR values",
            digest.hex(),
            "list the values of the PCRs as they were when the quote was made",
        )
    return VerifiedTpmQuote(quote=quote, pcrs=pcrs)


def verify_certification(
    sent: SignedStructure,
    key: PublicKey,
    *,
    public: bytes,
    certified: PublicKey,
    extra_data: bytes,
    hashes: frozenset[HashAlgorithm] = STRONG_HASHES,
) -> VerifiedTpmKey:
    """Verify that the TPM of an attestation key holds another key.

    Not checked: what the TPM lets be done with that key; its attributes are for the policy.

    Args:
        sent: The certification.
        key: The attestation key.
        public: TPMT_PUBLIC of the key that is certified.
        certified: That key, as the attester uses it.
        extra_data: What the qualifying data must be.
        hashes: The hashes that signatures may be over.

    Raises:
        MalformedEvidenceError: A structure does not parse.
        UntrustedEvidenceError: A check failed.
    """
    certification = parse_certification(sent.attest)
    area = parse_public(public)
    signature = parse_signature(sent.signature)
    verify_signature(
        key, signature, certification.signed, check="tpm.certify.signature", hashes=hashes
    )
    _check_extra_data(certification.extra_data, extra_data, "tpm.certify.nonce")
    if not hmac.compare_digest(certification.name, area.name):
        raise _refused(
            "tpm.certify.name",
            f"the certified name {certification.name.hex()}",
            f"a public area of name {area.name.hex()}",
        )
    if not same_key(area.key, certified):
        raise _refused(
            "tpm.certify.key", "the certified key to be the one in the JWK", "another key"
        )
    return VerifiedTpmKey(public=area, certification=certification)


def verify_aik_certificate(
    data: bytes, key: PublicKey, *, anchors: PathAnchors, at: datetime
) -> tuple[x509.Certificate, ...]:
    """Verify that an authority which the operator trusts says that the key is in a TPM.

    Returns the path, the certificate first.

    Raises:
        UntrustedEvidenceError: It does not parse, is not the key's (`key_mismatch`), not for
            attestation keys, not valid now, or leads to no trusted root.
    """
    certificate = read_certificate(data, AIK_PROFILE)
    if not same_key(key, certificate.public_key()):
        raise _refused(
            f"{AIK_PROFILE.check}.key_mismatch",
            "a certificate of the attestation key in aik_pub",
            "one of another key",
        )
    return verify_path(certificate, AIK_PROFILE, anchors=anchors, at=at)


def verify_boot_order(
    boot: VerifiedTpmQuote, current: VerifiedTpmQuote, *, restarted: bool
) -> None:
    """Check that a quote of before a restart is of the same cold boot as the current one.

    Args:
        boot: The earlier quote.
        current: The later one, by the same key.
        restarted: Whether the TPM must have been restarted between them. If not, what the earlier
            one is of has not changed since, and nothing is taken from it.

    Raises:
        UntrustedEvidenceError: It is of another key (`tpm.boot.signer`), of another boot
            (`tpm.boot.cycle`), or not earlier (`tpm.boot.order`).
    """
    earlier, later = boot.quote, current.quote
    if not hmac.compare_digest(earlier.qualified_signer, later.qualified_signer):
        raise _refused(
            "tpm.boot.signer",
            f"the same attestation key, {later.qualified_signer.hex()}",
            earlier.qualified_signer.hex(),
        )
    if earlier.clock.reset_count != later.clock.reset_count:
        raise _refused(
            "tpm.boot.cycle",
            f"a boot attestation with reset count {later.clock.reset_count}",
            f"{earlier.clock.reset_count}: another cold boot",
        )
    restarts = later.clock.restart_count - earlier.clock.restart_count
    if restarted and (restarts < 1 or earlier.clock.clock > later.clock.clock):
        raise _refused(
            "tpm.boot.order",
            "a boot attestation from before the restart",
            f"{restarts} restarts after it, and a clock of {earlier.clock.clock} ms "
            f"against {later.clock.clock}",
        )


def _check_extra_data(actual: bytes, expected: bytes | None, check: str) -> None:
    if expected is None or hmac.compare_digest(actual, expected):
        return
    raise _refused(
        check,
        f"qualifying data {expected.hex()}",
        actual.hex() or "none",
        "bind it to this challenge, and hash the text of the JWK exactly as it is sent",
    )


def _check_selection(quote: TpmQuote, pcrs: PcrValues) -> None:
    quoted = {(one.bank, index) for one in quote.selections for index in one.indexes}
    listed = {(bank, index) for bank, values in pcrs.items() for index in values}
    if not quoted:
        raise _refused("tpm.quote.no_pcrs", "a quote over PCRs", "one over none")
    if quoted != listed:
        missing, extra = sorted(quoted - listed), sorted(listed - quoted)
        raise _refused(
            "tpm.quote.pcr_selection",
            "exactly the quoted PCRs to be listed",
            "; ".join(
                f"{word}: {', '.join(f'{bank.label}:{index}' for bank, index in found)}"
                for word, found in (("quoted only", missing), ("listed only", extra))
                if found
            ),
        )
    for bank, values in pcrs.items():
        if any(len(value) != bank.size for value in values.values()):
            raise _refused(
                "tpm.quote.pcr_size", f"{bank.size} bytes in bank {bank.label}", "others"
            )


def _check_coverage(quote: TpmQuote, required: int) -> None:
    covered = [
        sum(1 << index for index in one.indexes)
        for one in quote.selections
        if one.bank in STRONG_HASHES and one.indexes
    ]
    if not covered:
        raise _refused(
            "tpm.quote.weak_bank", "PCRs of SHA-256 or better in the quote", "SHA-1 only"
        )
    if not any(mask & required == required for mask in covered):
        lacking = min((required & ~mask for mask in covered), key=int.bit_count)
        raise _refused(
            "tpm.quote.pcr_mask",
            f"all PCRs of mask 0x{required:06x} quoted in one bank",
            f"PCRs {', '.join(str(n) for n in range(PCR_COUNT) if lacking >> n & 1)} are not",
            "quote them too, or set required_pcr_mask in the policy's configuration rules",
        )


def _refused(check: str, expected: str, actual: str, hint: str = "") -> UntrustedEvidenceError:
    finding = Finding(check=check, expected=expected, actual=actual, hint=hint)
    return UntrustedEvidenceError(str(finding), findings=[finding])
