"""What the commands about instances print: the same facts as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cryptography import x509

from assay.cli.render import Answer, print_json
from assay.encoding import JsonValue
from assay.service.signer_chain import fingerprint
from assay.store import InstanceRecord, PolicyChange, PolicyRecord, SignerRecord, SigningKeyRecord
from assay.token import thumbprint
from assay.x509.chain import common_name


def print_members(members: Mapping[str, JsonValue], *, as_json: bool) -> None:
    """A JSON object, or the same as an indented list."""
    if as_json:
        print_json(members)
    else:
        Answer().members(members, indent="")


def instance_members(record: InstanceRecord) -> dict[str, JsonValue]:
    """One instance."""
    return {
        "name": record.name,
        "url": record.issuer,
        "trust_model": record.trust_model.value,
        "region": record.region,
        "tags": dict(record.tags),
        "settings": dict(record.settings),
        "created_at": record.created_at.isoformat(),
        "updated_at": _instant(record.updated_at),
    }


def policy_members(record: PolicyRecord) -> dict[str, JsonValue]:
    """One policy as it stands."""
    return {
        "attestation_type": record.attestation_type,
        "version": record.version,
        "hash": record.text_hash,
        "changed_at": record.changed_at.isoformat(),
    }


def change_members(change: PolicyChange) -> dict[str, JsonValue]:
    """One change of a policy."""
    return {
        "version": change.version,
        "action": change.action.value,
        "hash": change.text_hash,
        "previous_hash": change.previous_hash,
        "changed_at": change.changed_at.isoformat(),
        "changed_by": str(change.changed_by),
        "address": change.changed_by.address,
    }


def key_members(record: SigningKeyRecord) -> dict[str, JsonValue]:
    """One signing key, without its private part."""
    return {
        "kid": record.kid,
        "algorithm": record.algorithm.value,
        "state": record.state.value,
        "custody": record.custody.value,
        "created_at": record.created_at.isoformat(),
        "activated_at": _instant(record.activated_at),
        "retired_at": _instant(record.retired_at),
    }


def signer_members(record: SignerRecord) -> dict[str, JsonValue]:
    """One policy signer."""
    return {
        **certificate_members(x509.load_der_x509_certificate(record.certificate)),
        "added_at": record.added_at.isoformat(),
        "added_by": str(record.added_by),
    }


def certificate_members(certificate: x509.Certificate) -> dict[str, JsonValue]:
    """What tells a certificate from others."""
    return {
        "subject": common_name(certificate.subject),
        "thumbprint": thumbprint(certificate),
        "sha256": fingerprint(certificate),
        "expires": certificate.not_valid_after_utc.isoformat(),
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
