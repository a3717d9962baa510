"""Faults of the TCB info, of the QE identity, of the chains that vouch for them, and of levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from assay.encoding import JsonValue, encode_json, parse_json_object
from assay.endorsements.collateral import DcapCollateral
from assay.simulator.faults.attempt import Attempt, Fault, attempt, flip, lookalike, with_collateral
from assay.simulator.faults.certificates import UNKNOWN_CRITICAL, with_authority
from assay.simulator.pki import Authority, generate_key, raw_signature
from assay.simulator.sgx import SimulatedPlatform
from assay.simulator.tcb import signed_body, timestamp

_Apply = Callable[[SimulatedPlatform], Attempt]
_Members = dict[str, Any]

_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One of the two signed documents of the collateral."""

    field: str
    label: str
    member: str
    """Its name in the service's answer."""

    @property
    def check(self) -> str:
        """The start of its findings' codes."""
        return f"dcap.{self.field}"

    def replace(self, collateral: DcapCollateral, **parts: bytes) -> DcapCollateral:
        """`collateral` with another `text`, `signature` or `chain` of this document."""
        names = {
            "text": self.field,
            "signature": f"{self.field}_signature",
            "chain": f"{self.field}_issuer_chain",
        }
        changes: dict[str, Any] = {names[part]: value for part, value in parts.items()}
        return replace(collateral, **changes)

    def text(self, collateral: DcapCollateral) -> bytes:
        """The document."""
        text: bytes = getattr(collateral, self.field)
        return text

    def signature(self, collateral: DcapCollateral) -> bytes:
        """Its signature."""
        signature: bytes = getattr(collateral, f"{self.field}_signature")
        return signature


TCB_INFO: Final = Document(field="tcb_info", label="the TCB info", member="tcbInfo")
QE_IDENTITY: Final = Document(
    field="qe_identity", label="the QE identity", member="enclaveIdentity"
)


def signed_text(document: Document, edit: Callable[[bytes], bytes]) -> _Apply:
    """Change the bytes of a document and sign them."""

    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        text = edit(document.text(collateral))
        return document.replace(collateral, text=text, signature=platform.sign_document(text))

    return with_collateral(change)


def signed_members(document: Document, edit: Callable[[_Members], object]) -> _Apply:
    """Change members of a document in place and sign it."""

    def change(text: bytes) -> bytes:
        members: dict[str, JsonValue] = parse_json_object(text, document.field)
        edit(members)
        return encode_json(members)

    return signed_text(document, change)


def _unsigned_text(document: Document, edit: Callable[[bytes], bytes]) -> _Apply:
    return with_collateral(
        lambda _, collateral: document.replace(collateral, text=edit(document.text(collateral)))
    )


def _signature(document: Document, edit: Callable[[bytes], bytes]) -> _Apply:
    return with_collateral(
        lambda _, collateral: document.replace(
            collateral, signature=edit(document.signature(collateral))
        )
    )


def _as_der(signature: bytes) -> bytes:
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    return encode_dss_signature(r, s)


def _sorted_keys(text: bytes) -> bytes:
    members = parse_json_object(text, "document")
    return encode_json(dict(sorted(members.items())))


def _chain(document: Document, edit: Callable[[SimulatedPlatform], bytes]) -> _Apply:
    return with_collateral(
        lambda platform, collateral: document.replace(collateral, chain=edit(platform))
    )


def _signer(document: Document, **changes: Any) -> _Apply:  # noqa: ANN401  of CertificateProfile
    """Another certificate for the TCB signing key, in the chain of this document only."""
    return _chain(
        document,
        lambda platform: with_authority(platform, Authority.TCB_SIGNING, **changes).pki.chain(
            Authority.TCB_SIGNING
        ),
    )


def _signer_dated(document: Document, which: str, offset: timedelta) -> _Apply:
    def edit(platform: SimulatedPlatform) -> bytes:
        changes: dict[str, Any] = {which: platform.settings.created_at + offset}
        changed = with_authority(platform, Authority.TCB_SIGNING, **changes)
        return changed.pki.chain(Authority.TCB_SIGNING)

    return _chain(document, edit)


def _signer_of_pck_ca(document: Document) -> _Apply:
    """A certificate of the right name, issued by the PCK CA instead of the root."""

    def edit(platform: SimulatedPlatform) -> bytes:
        ca = platform.pki.platform_ca
        changed = with_authority(
            platform,
            Authority.TCB_SIGNING,
            issuer=Authority.PLATFORM_CA.common_name,
            by=ca.key,
        )
        return changed.pki.tcb_signing.pem + ca.pem + platform.pki.root_ca.pem

    return _chain(document, edit)


def _signed_as(
    document: Document,
    signer: Callable[[SimulatedPlatform], SimulatedPlatform],
    chain: Callable[[SimulatedPlatform, SimulatedPlatform], bytes],
) -> _Apply:
    """Signed by another platform's TCB signer, under a chain made from it and the genuine one."""

    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        other = signer(platform)
        signature = other.sign_document(document.text(collateral))
        return document.replace(collateral, signature=signature, chain=chain(platform, other))

    return with_collateral(change)


def _signed_by_pck(document: Document) -> _Apply:
    """Role confusion: the platform's own key and chain vouch for the collateral."""

    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        return document.replace(
            collateral,
            signature=raw_signature(platform.pck.key, document.text(collateral)),
            chain=platform.pck_chain,
        )

    return with_collateral(change)


def _signed_by_root(document: Document) -> _Apply:
    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        root = platform.pki.root_ca
        return document.replace(
            collateral,
            signature=raw_signature(root.key, document.text(collateral)),
            chain=root.pem,
        )

    return with_collateral(change)


def _signed_by_stranger(document: Document) -> _Apply:
    return with_collateral(
        lambda _, collateral: document.replace(
            collateral, signature=raw_signature(generate_key(), document.text(collateral))
        )
    )


def _dates(document: Document, issued: timedelta, next_update: timedelta) -> _Apply:
    """Move both dates to offsets from the verification."""

    def change(platform: SimulatedPlatform, collateral: DcapCollateral) -> DcapCollateral:
        at = platform.settings.created_at
        members = parse_json_object(document.text(collateral), document.field)
        members |= {
            "issueDate": timestamp(at + issued),
            "nextUpdate": timestamp(at + next_update),
        }
        text = encode_json(members)
        return document.replace(collateral, text=text, signature=platform.sign_document(text))

    return with_collateral(change)


def _signer_revoked(platform: SimulatedPlatform) -> Attempt:
    serial = platform.pki.tcb_signing.certificate.serial_number
    return with_collateral(lambda _, collateral: collateral)(
        platform.with_settings(root_crl_revoked=(serial,))
    )


def _other_trusted_root(document: Document) -> _Apply:
    """A genuine signature under the second of two trusted roots."""

    def apply(platform: SimulatedPlatform) -> Attempt:
        other = lookalike(platform)
        collateral = platform.collateral(platform.settings.created_at)
        mixed = document.replace(
            collateral,
            signature=other.sign_document(document.text(collateral)),
            chain=other.pki.chain(Authority.TCB_SIGNING),
        )
        return attempt(platform, collateral=mixed, roots=platform.anchors + other.anchors)

    return apply


def _chain_faults(document: Document) -> Iterator[Fault]:
    name, check = document.field.replace("_", "-"), f"{document.check}_chain"

    def genuine_root(platform: SimulatedPlatform, other: SimulatedPlatform) -> bytes:
        return other.pki.tcb_signing.pem + platform.pki.root_ca.pem

    def foreign_root(_: SimulatedPlatform, other: SimulatedPlatform) -> bytes:
        return other.pki.chain(Authority.TCB_SIGNING)

    def appended_root(platform: SimulatedPlatform, other: SimulatedPlatform) -> bytes:
        return other.pki.chain(Authority.TCB_SIGNING) + platform.pki.root_ca.pem

    rows: tuple[tuple[str, str, str, _Apply], ...] = (
        ("garbage", "is no PEM", "cert_format", _chain(document, lambda _: b"garbage")),
        ("empty", "is empty", "chain", _chain(document, lambda _: b"")),
        (
            "no-root",
            "lacks its root",
            "chain",
            _chain(document, lambda platform: platform.pki.tcb_signing.pem),
        ),
        (
            "root-first",
            "stands in the other order",
            "chain",
            _chain(
                document, lambda platform: platform.pki.root_ca.pem + platform.pki.tcb_signing.pem
            ),
        ),
        (
            "other-name",
            "begins with another common name",
            "chain",
            _signer(document, subject="Intel SGX Other"),
        ),
        (
            "signed-sha384",
            "begins with a certificate signed with SHA-384",
            "chain",
            _signer(document, digest=hashes.SHA384),
        ),
        (
            "unknown-critical-extension",
            "has a critical extension that nobody knows",
            "chain",
            _signer(document, extensions=(UNKNOWN_CRITICAL,)),
        ),
        (
            "of-pck-ca",
            "begins with a signer that the PCK CA issued",
            "chain",
            _signer_of_pck_ca(document),
        ),
        (
            "of-pck",
            "is the platform's own, and its key the signer",
            "chain",
            _signed_by_pck(document),
        ),
        (
            "of-root",
            "is the root alone, and its key the signer",
            "chain",
            _signed_by_root(document),
        ),
        (
            "stranger",
            "begins with a certificate that another key signed",
            "chain",
            _signer(document, by=generate_key()),
        ),
        (
            "lookalike",
            "is a look-alike's, and its key the signer",
            "root_untrusted",
            _signed_as(document, lookalike, foreign_root),
        ),
        (
            "other-trusted-root",
            "ends in another trusted root than the rest",
            "root_untrusted",
            _other_trusted_root(document),
        ),
        (
            "lookalike-genuine-root",
            "is a look-alike's signer under the genuine root",
            "chain",
            _signed_as(document, lookalike, genuine_root),
        ),
        (
            "lookalike-appended-root",
            "is a look-alike's with the genuine root behind it",
            "chain",
            _signed_as(document, lookalike, appended_root),
        ),
        (
            "expired",
            "begins with a certificate that ended a second ago",
            "cert_expired",
            _signer_dated(document, "not_after", -_SECOND),
        ),
        (
            "future",
            "begins with a certificate that begins in a second",
            "cert_not_yet_valid",
            _signer_dated(document, "not_before", _SECOND),
        ),
        ("revoked", "begins with a certificate on the root's list", "revoked", _signer_revoked),
    )
    for suffix, description, error_class, apply in rows:
        yield Fault(
            f"{name}-chain-{suffix}",
            f"the issuer chain of {document.label} {description}",
            f"{check}.{error_class}",
            apply,
        )


def _signature_faults(document: Document, other: Document) -> Iterator[Fault]:
    name = document.field.replace("_", "-")
    rows: tuple[tuple[str, str, _Apply], ...] = (
        ("signature-flipped", "a bit of its signature flipped", _signature(document, flip)),
        ("signature-zero", "r and s zero", _signature(document, lambda _: bytes(64))),
        ("signature-empty", "no signature", _signature(document, lambda _: b"")),
        (
            "signature-short",
            "a signature of 63 bytes",
            _signature(document, lambda signature: signature[:-1]),
        ),
        (
            "signature-long",
            "a signature of 65 bytes",
            _signature(document, lambda signature: signature + b"\0"),
        ),
        ("signature-der", "a signature in DER", _signature(document, _as_der)),
        (
            "signature-of-other",
            "the other document's signature",
            with_collateral(
                lambda _, collateral: document.replace(
                    collateral, signature=other.signature(collateral)
                )
            ),
        ),
        ("signature-of-stranger", "a stranger's signature", _signed_by_stranger(document)),
        (
            "status-raised",
            "OutOfDate made UpToDate after signing",
            _unsigned_text(document, lambda text: text.replace(b'"OutOfDate"', b'"UpToDate"')),
        ),
        (
            "whitespace",
            "a space inserted after signing",
            _unsigned_text(document, lambda text: text.replace(b",", b", ", 1)),
        ),
        (
            "trailing-space",
            "a space appended after signing",
            _unsigned_text(document, lambda text: text + b" "),
        ),
        ("sorted", "its members sorted after signing", _unsigned_text(document, _sorted_keys)),
        (
            "enveloped",
            "the whole answer of the service in its place",
            with_collateral(
                lambda _, collateral: document.replace(
                    collateral,
                    text=signed_body(
                        document.member, document.text(collateral), document.signature(collateral)
                    ),
                )
            ),
        ),
    )
    for suffix, description, apply in rows:
        yield Fault(
            f"{name}-{suffix}",
            f"{document.label}: {description}",
            f"{document.check}.collateral_signature",
            apply,
        )


def _date_faults(document: Document) -> Iterator[Fault]:
    name = document.field.replace("_", "-")
    yield Fault(
        f"{name}-expired",
        f"{document.label} was due a second ago",
        f"{document.check}.collateral_expired",
        _dates(document, timedelta(days=-30), -_SECOND),
    )
    yield Fault(
        f"{name}-future",
        f"{document.label} is issued in a second",
        f"{document.check}.collateral_not_yet_valid",
        _dates(document, _SECOND, timedelta(days=30)),
    )


SIGNED_DOCUMENT_FAULTS: Final = (
    *_chain_faults(TCB_INFO),
    *_chain_faults(QE_IDENTITY),
    *_signature_faults(TCB_INFO, QE_IDENTITY),
    *_signature_faults(QE_IDENTITY, TCB_INFO),
    *_date_faults(TCB_INFO),
    *_date_faults(QE_IDENTITY),
)
