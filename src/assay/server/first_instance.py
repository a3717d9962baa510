"""The instance of the settings: made at the first start, held to them at each later one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay.endorsements.anchors import read_anchors
from assay.endorsements.tpm import read_certificates
from assay.errors import PolicyError, SettingsError
from assay.server.settings import Settings
from assay.service.instance_options import InstanceOptions, kept_options
from assay.service.instances import check_policy
from assay.store import InstanceRecord, Store, TrustModel

_POLICY_FIELDS: Final = {
    "SgxEnclave": "sgx_enclave",
    "OpenEnclave": "open_enclave",
    "Tpm": "tpm",
}


def keep_instance(settings: Settings, store: Store, *, port: int, at: datetime) -> None:
    """Make the instance that the settings name, or bring it to what they say of it now.

    Raises:
        SettingsError: A file that they name cannot be read, a policy is not one, the trust model
            is another one than before, or another instance has the URL.
        StoreUnavailableError: The database cannot be used.
    """
    chosen = settings.instance
    wanted = InstanceRecord(
        name=chosen.name,
        issuer=settings.issuer(port),
        trust_model=chosen.trust_model,
        region=chosen.region or "",
        settings=kept_options(_options(settings)),
        created_at=at,
    )
    found = store.instances.get(chosen.name)
    if found is None:
        _check_isolated(wanted)
        found = store.instances.get_or_add(wanted)
    explicit = "instance.trust_model" in settings.origins
    if explicit and found.trust_model is not chosen.trust_model:
        raise SettingsError(
            f"instance.trust_model is {chosen.trust_model}, and instance {chosen.name!r} has been "
            f"{found.trust_model} since it was made, which does not change; leave the setting "
            "out, or name another instance"
        )
    # Labels that were given elsewhere stay.
    current = replace(
        found, issuer=wanted.issuer, settings=wanted.settings, region=wanted.region or found.region
    )
    if current != found:
        store.instances.update(current, at=at)


def check_instance_files(settings: Settings) -> None:
    """Check that the policies and the roots of the settings can be read, and are such.

    Raises:
        SettingsError: One is not so.
    """
    _options(settings)


def _check_isolated(wanted: InstanceRecord) -> None:
    if wanted.trust_model is TrustModel.ISOLATED:
        raise SettingsError(
            f"instance.trust_model is Isolated, and instance {wanted.name!r} is not there yet; "
            f"make it with its policy signers: assay instance create {wanted.name} "
            "--trust-model Isolated --signer FILE"
        )


def _options(settings: Settings) -> InstanceOptions:
    chosen = settings.instance
    return InstanceOptions(
        accepted_tcb=chosen.accepted_tcb,
        compatibility=chosen.compatibility,
        expired_collateral_grace_hours=chosen.expired_collateral_grace_hours,
        policies=_policies(settings),
        policy_explanations=chosen.policy_explanations,
        roots=tuple(pem for path in chosen.roots for pem in _root(path)),
        simulator=settings.simulator is not None,
        tcb_claims_in_token=chosen.tcb_claims_in_token,
        token_algorithm=chosen.token_algorithm,
        tpm_attestation_authentication=chosen.tpm_attestation_authentication,
        tpm_intermediates=_tpm_certificates(chosen.tpm_intermediates, "instance.tpm_intermediates"),
        tpm_roots=_tpm_certificates(chosen.tpm_roots, "instance.tpm_roots"),
    )


def _tpm_certificates(paths: tuple[Path, ...], setting: str) -> tuple[str, ...]:
    found = read_certificates(_read(path, setting) for path in paths)
    return tuple(one.public_bytes(Encoding.PEM).decode("ascii") for one in found)


def _root(path: Path) -> tuple[str, ...]:
    document = _read(path, "instance.roots")
    read_anchors([document])
    certificates = (
        x509.load_pem_x509_certificates(document)
        if b"-----BEGIN" in document
        else [x509.load_der_x509_certificate(document)]
    )
    return tuple(one.public_bytes(Encoding.PEM).decode("ascii") for one in certificates)


def _policies(settings: Settings) -> dict[str, str]:
    chosen = settings.instance
    found: dict[str, str] = {}
    for kind, field in _POLICY_FIELDS.items():
        text: str | None = getattr(chosen.policies, field)
        path: Path | None = getattr(chosen.policy_files, field)
        if path is not None:
            text = _read_text(path, f"instance.policy_files.{kind}")
        if text is not None:
            _check_policy(text, kind)
            found[kind] = text
    return found


def _check_policy(text: str, kind: str) -> None:
    try:
        check_policy(text)
    except PolicyError as error:
        raise SettingsError(f"the policy for {kind} is not one: {error.message}") from error


def _read_text(path: Path, setting: str) -> str:
    try:
        return _read(path, setting).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{setting}: {path} is not UTF-8 text: wrong at byte {error.start}; save it as UTF-8"
        ) from error


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{setting}: cannot read {path}: {error.strerror}; correct the path or its permissions"
        ) from error
