"""The use cases of the management plane, to which an instance is an attestation provider.

A provider is in a subscription and a resource group. Both are labels: they group instances, and
decide nothing about who may do what. An instance that was not made here is where the settings say.
Shared instances belong to nobody: they are the default providers.

Source: Azure Resource Manager, `Microsoft.Attestation`, versions 2020-10-01 and 2021-06-01.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography import x509

from assay.errors import (
    Finding,
    OperationRefusedError,
    SettingsError,
    UnknownInstanceError,
)
from assay.service.instance_options import InstanceOptions
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.service.signer_chain import fingerprint
from assay.store import (
    Author,
    InstanceRecord,
    PrivateEndpointRecord,
    ProviderRecord,
    Store,
    TrustModel,
)

SUBSCRIPTION: Final = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
RESOURCE_GROUP: Final = r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]"
"""Up to 90 characters, no full stop at the end. Azure takes letters of other scripts as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where instances are that were not made on the management plane."""

    subscription: str
    resource_group: str
    location: str
    """That of instances without a region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAddress:
    """Where a caller says that a provider is. All of it matches in any case."""

    subscription: str
    resource_group: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An instance as the management plane shows it."""

    instance: InstanceRecord
    subscription: str
    resource_group: str
    location: str
    properties: Mapping[str, str] = field(default_factory=dict)
    created_by: Author | None = None
    updated_by: Author | None = None
    private_endpoints: tuple[PrivateEndpointRecord, ...] = ()
    servable: bool = True
    """Whether this server can serve it as it is set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedProvider:
    """What a caller wants a provider to be."""

    location: str
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    signers: tuple[x509.Certificate, ...] = ()
    """Its policy signers; with any, it is isolated."""

    trust_model: str | None = None
    """What the caller takes it to be, as with the next; nothing where they do not say."""

    attest_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProviders:
    """How providers are made on this server."""

    issuer: Callable[[str, str], str]
    """The public URL for a name and a location."""

    options: InstanceOptions = field(default_factory=InstanceOptions)
    kept: str
    """The instance of the server's settings, which every start would make again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderService:
    """Attestation providers of a store.

    Methods raise `StoreUnavailableError` when the database fails.
    """

    provisioning: ProvisioningService
    home: Home
    new: NewProviders
    check: Callable[[InstanceRecord], object]
    """Raises `SettingsError` where this server cannot serve an instance as it is set up."""

    def subscriptions(self) -> tuple[str, ...]:
        """Those with a provider, and that of the settings, by name."""
        kept = self.store.providers.all().values()
        found = {one.subscription.lower() for one in kept if one.subscription is not None}
        return tuple(sorted(found | {self.home.subscription.lower()}))

    def list(self, subscription: str, resource_group: str | None = None) -> tuple[Provider, ...]:
        """The providers of a subscription, or of one resource group of it, by name."""
        return tuple(
            provider
            for provider in self._all()
            if provider.instance.trust_model is not TrustModel.SHARED
            and _same(provider.subscription, subscription)
            and (resource_group is None or _same(provider.resource_group, resource_group))
        )

    def defaults(self) -> tuple[Provider, ...]:
        """The providers that are everybody's, by name."""
        return tuple(
            provider
            for provider in self._all()
            if provider.instance.trust_model is TrustModel.SHARED
        )

    def default_at(self, location: str) -> Provider:
        """The provider that is everybody's at a location; the oldest, if there are several.

        Raises:
            UnknownInstanceError: There is none.
        """
        found = [
            provider
            for provider in self.defaults()
            if normal_location(provider.location) == normal_location(location)
        ]
        if not found:
            raise UnknownInstanceError(f"there is no default provider at location {location!r}")
        return min(found, key=lambda one: (one.instance.created_at, one.instance.name))

    def get(self, address: ProviderAddress) -> Provider:
        """The provider at an address.

        Raises:
            UnknownInstanceError: There is none.
        """
        found = self._find(address.name)
        if found is None or not _is_at(found, address):
            raise _unknown(address)
        return found

    def put(
        self, address: ProviderAddress, wanted: WantedProvider, *, by: Author
    ) -> tuple[Provider, bool]:
        """Make a provider, or give the one at that address its tags; and whether it was made.

        What it began with never changes: its location, and who may change its policies.

        Raises:
            OperationRefusedError: Its name is taken, or it began with something else.
            UntrustedSignerError: A certificate cannot be a policy signer.
        """
        found = self._find(address.name)
        if found is None:
            try:
                self._create(address, wanted, by)
            except SettingsError as error:
                # Names are checked before, so somebody was faster, or has the URL.
                found = self._find(address.name)
                if found is None:
                    raise _refused("taken", "a URL of its own", error.message) from error
            else:
                return self.get(address), True
        self._replace(found, address, wanted, by)
        return self.get(address), False

    def update(
        self,
        address: ProviderAddress,
        *,
        tags: Mapping[str, str] | None,
        properties: Mapping[str, str],
        by: Author,
    ) -> Provider:
        """Give a provider other tags and properties.

        Args:
            address: The provider's.
            tags: All of them; nothing keeps those that there are.
            properties: Those that change.
            by: Who makes the change.

        Raises:
            UnknownInstanceError: There is no such provider.
        """
        found = self.get(address)
        if tags is None and not properties:
            return found
        name, at = found.instance.name, self.provisioning.now()
        self.store.providers.update(name, tags=tags, properties=properties, at=at, by=by)
        return self.get(address)

    def delete(self, address: ProviderAddress, *, by: Author) -> bool:
        """Remove a provider with its policies, signers and keys; whether there was one.

        Raises:
            OperationRefusedError: It is the one of the server's settings.
        """
        try:
            name = self.get(address).instance.name
            if _same(name, self.new.kept):
                raise _refused(
                    "kept",
                    "an instance that its owner made",
                    f"instance {name!r} of the server's settings, which every start makes again",
                )
            self.provisioning.remove(name, by=by)
        except UnknownInstanceError:
            return False
        return True

    def private_endpoint(self, address: ProviderAddress, name: str) -> PrivateEndpointRecord:
        """A private endpoint connection of a provider.

        Raises:
            UnknownInstanceError: There is no such provider, or it has no such connection.
        """
        instance = self.get(address).instance.name
        found = self.store.providers.private_endpoint(instance, name)
        if found is None:
            raise UnknownInstanceError(
                f"provider {instance!r} has no private endpoint connection {name!r}"
            )
        return found

    def set_private_endpoint(
        self, address: ProviderAddress, record: PrivateEndpointRecord, *, by: Author
    ) -> PrivateEndpointRecord:
        """Keep a private endpoint connection. It opens and closes nothing.

        Raises:
            UnknownInstanceError: There is no such provider.
        """
        instance = self.get(address).instance.name
        found = self.store.providers.private_endpoint(instance, record.name)
        kept = replace(
            record,
            instance=instance,
            name=record.name if found is None else found.name,
            endpoint=record.endpoint or ("" if found is None else found.endpoint),
        )
        self.store.providers.set_private_endpoint(kept, at=self.provisioning.now(), by=by)
        return kept

    def remove_private_endpoint(self, address: ProviderAddress, name: str, *, by: Author) -> bool:
        """Remove a private endpoint connection; whether there was one.

        Raises:
            UnknownInstanceError: There is no such provider.
        """
        instance = self.get(address).instance.name
        at = self.provisioning.now()
        return self.store.providers.remove_private_endpoint(instance, name, at=at, by=by)

    @property
    def store(self) -> Store:
        """Where they are kept."""
        return self.provisioning.chest.store

    def _all(self) -> tuple[Provider, ...]:
        kept = self.store.providers.all()
        connections = self.store.providers.private_endpoints()
        return tuple(
            self._provider(
                record,
                kept.get(record.name),
                [one for one in connections if one.instance == record.name],
            )
            for record in self.store.instances.all()
        )

    def _find(self, name: str) -> Provider | None:
        record = self.store.instances.find(name)
        if record is None:
            return None
        connections = self.store.providers.private_endpoints(record.name)
        return self._provider(record, self.store.providers.get(record.name), connections)

    def _provider(
        self,
        instance: InstanceRecord,
        kept: ProviderRecord | None,
        connections: Iterable[PrivateEndpointRecord],
    ) -> Provider:
        kept = kept or ProviderRecord(instance=instance.name)
        return Provider(
            instance=instance,
            subscription=kept.subscription or self.home.subscription,
            resource_group=kept.resource_group or self.home.resource_group,
            location=instance.region or self.home.location,
            properties=kept.properties,
            created_by=kept.created_by,
            updated_by=kept.updated_by,
            private_endpoints=tuple(connections),
            servable=self._is_servable(instance),
        )

    def _is_servable(self, instance: InstanceRecord) -> bool:
        try:
            self.check(instance)
        except SettingsError:
            return False
        return True

    def _create(self, address: ProviderAddress, wanted: WantedProvider, by: Author) -> None:
        model = TrustModel.ISOLATED if wanted.signers else TrustModel.AAD
        issuer = self.new.issuer(address.name, wanted.location)
        _check_taken_for(wanted, model, issuer)
        self.provisioning.create(
            NewInstance(
                name=address.name,
                issuer=issuer,
                trust_model=model,
                region=wanted.location,
                tags=wanted.tags,
                options=self.new.options,
                signers=wanted.signers,
                subscription=address.subscription,
                resource_group=address.resource_group,
                properties=wanted.properties,
            ),
            by=by,
        )

    def _replace(
        self, found: Provider, address: ProviderAddress, wanted: WantedProvider, by: Author
    ) -> None:
        if not _is_at(found, address):
            raise _refused(
                "taken", "a name that no instance of this server has", f"{address.name!r}"
            )
        self._check_same(found, wanted)
        instance = found.instance
        properties = {**found.properties, **wanted.properties}
        if wanted.tags == instance.tags and properties == found.properties:
            return
        self.store.providers.update(
            instance.name,
            tags=wanted.tags,
            properties=wanted.properties,
            at=self.provisioning.now(),
            by=by,
        )

    def _check_same(self, found: Provider, wanted: WantedProvider) -> None:
        instance = found.instance
        if normal_location(found.location) != normal_location(wanted.location):
            raise _refused("location", f"the location {found.location!r}", f"{wanted.location!r}")
        listed = {signer.fingerprint for signer in self.store.signers.of(instance.name)}
        if listed != {fingerprint(certificate) for certificate in wanted.signers}:
            raise _refused(
                "signers",
                f"the {len(listed)} policy signers that the provider has, which are changed at "
                "its attestUri",
                f"{len(wanted.signers)}, not all of them the same",
            )
        _check_taken_for(wanted, instance.trust_model, instance.issuer)


def normal_location(text: str) -> str:
    """A location as it is compared: `West US` and `westus` are one."""
    return "".join(text.split()).lower()


def _is_at(provider: Provider, address: ProviderAddress) -> bool:
    return (
        provider.instance.trust_model is not TrustModel.SHARED
        and _same(provider.subscription, address.subscription)
        and _same(provider.resource_group, address.resource_group)
    )


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _check_taken_for(wanted: WantedProvider, model: TrustModel, issuer: str) -> None:
    """Check what a caller takes for granted, and cannot choose."""
    if wanted.trust_model is not None and wanted.trust_model != model.value:
        raise _refused(
            "trust_model",
            f"the trust model {model.value}, which follows from the policy signers",
            f"{wanted.trust_model!r}",
        )
    if wanted.attest_uri is not None and wanted.attest_uri != issuer:
        raise _refused("attest_uri", f"the attestUri {issuer}", f"{wanted.attest_uri!r}")


def _unknown(address: ProviderAddress) -> UnknownInstanceError:
    return UnknownInstanceError(
        f"there is no provider {address.name!r} in resource group {address.resource_group!r}"
    )


def _refused(error_class: str, expected: str, actual: str) -> OperationRefusedError:
    finding = Finding(check=f"management.provider.{error_class}", expected=expected, actual=actual)
    return OperationRefusedError(f"need {expected}, got {actual}", findings=[finding])
