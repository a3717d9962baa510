"""The use cases about instances themselves: create, find, remove.

Source: MAA protocol, section 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509

from assay.errors import SettingsError
from assay.service.instance_names import check_instance_name, check_issuer
from assay.service.instance_options import InstanceOptions, kept_options
from assay.service.instances import check_policy
from assay.service.keys import KeyChest, NewKey
from assay.service.policies import policy_type
from assay.service.signer_chain import check_signer_certificate
from assay.service.signers import signer_record
from assay.store import Author, InstanceRecord, KeyState, ProviderRecord, TrustModel

_DAY_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstance:
    """An instance that is wanted."""

    name: str
    issuer: str
    """Its public URL without a trailing slash."""

    trust_model: TrustModel = TrustModel.AAD
    region: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    options: InstanceOptions = field(default_factory=InstanceOptions)
    signers: tuple[x509.Certificate, ...] = ()
    """Who may sign its changes; only for an isolated one, which needs at least one."""

    subscription: str | None = None
    """Where the management plane has it, with the next; nothing where the settings say."""

    resource_group: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    """What the management plane was asked for, by the names on its wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningService:
    """Makes instances ready to be served: with signers, and with a signing key.

    Methods raise `StoreUnavailableError` when the database fails.
    """

    chest: KeyChest
    now: Callable[[], datetime]

    def create(self, wanted: NewInstance, *, by: Author) -> InstanceRecord:
        """Make an instance. It is there as a whole or not at all.

        Raises:
            SettingsError: Its name or URL is taken or not fit, or its signers do not go with its
                trust model.
            UntrustedSignerError: A certificate cannot be a signer.
            PolicyError: One of its own default policies is not a policy.
        """
        _check(wanted)
        at = self.now()
        record = InstanceRecord(
            name=wanted.name,
            issuer=wanted.issuer,
            trust_model=wanted.trust_model,
            region=wanted.region,
            settings=kept_options(wanted.options),
            tags=wanted.tags,
            created_at=at,
        )
        key = NewKey.of(record, self.chest.schedule)
        signers = {
            signer.fingerprint: signer
            for certificate in wanted.signers
            for signer in [signer_record(wanted.name, certificate, at=at, by=by)]
        }
        made = self.chest.make(key, KeyState.ACTIVE, at=at)
        try:
            self.chest.store.instances.add(
                record,
                signers=tuple(signers.values()),
                signing_key=made,
                provider=ProviderRecord(
                    instance=wanted.name,
                    subscription=wanted.subscription,
                    resource_group=wanted.resource_group,
                    properties=wanted.properties,
                    created_by=by,
                ),
                by=by,
            )
        except SettingsError:
            self.chest.discard(made)
            raise
        return record

    def remove(self, name: str, *, by: Author) -> None:
        """Remove an instance with its policies, signers and keys: its tokens verify no more.

        Raises:
            UnknownInstanceError: There is no such instance.
        """
        store = self.chest.store
        record = store.instances.require(name)
        keys = store.signing_keys.of(record.name)
        store.instances.remove(record.name, at=self.now(), by=by)
        for key in keys:
            self.chest.discard(key)


def _check(wanted: NewInstance) -> None:
    check_instance_name(wanted.name)
    check_issuer(wanted.issuer)
    isolated = wanted.trust_model is TrustModel.ISOLATED
    if isolated and not wanted.signers:
        raise SettingsError(
            f"instance {wanted.name!r} is to be isolated, and nobody could ever change it without "
            "a policy signer; name at least one certificate"
        )
    if wanted.signers and not isolated:
        raise SettingsError(
            f"instance {wanted.name!r} is of trust model {wanted.trust_model}, and only isolated "
            "ones have policy signers; choose Isolated, or name no certificates"
        )
    for certificate in wanted.signers:
        check_signer_certificate(certificate)
    _check_key_schedule(wanted)
    for attestation_type, text in wanted.options.policies.items():
        policy_type(attestation_type)
        check_policy(text)


def _check_key_schedule(wanted: NewInstance) -> None:
    days, hours = wanted.options.key_rotation_days, wanted.options.key_overlap_hours
    if days and hours is not None and hours >= _DAY_HOURS * days:
        raise SettingsError(
            f"instance {wanted.name!r}: a key is to sign for {days:g} days, and to be published "
            f"{hours:g} hours before, when its predecessor would not sign yet; shorten the overlap"
        )
