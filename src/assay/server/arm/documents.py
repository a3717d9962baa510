"""What the management plane answers, as JSON: providers as each API version has them.

Source: Azure Resource Manager, `Microsoft.Attestation`; recordings of `az attestation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from assay.access import CallerKind
from assay.encoding import JsonValue
from assay.server.arm.versions import CURRENT, PREVIEW, VERSIONS
from assay.service.providers import Provider
from assay.store import Author, PrivateEndpointRecord, TrustModel

NAMESPACE: Final = "Microsoft.Attestation"
_TYPE: Final = f"{NAMESPACE}/attestationProviders"
_CURRENT_PROPERTIES: Final = ("publicNetworkAccess", "tpmAttestationAuthentication")

# Of a bearer token nobody can tell whether a person or a program holds it.
_AUTHOR_TYPES: Final = {
    CallerKind.API_TOKEN.value: "Key",
    CallerKind.CERTIFICATE.value: "Application",
    CallerKind.DEVELOPER.value: "User",
    "operator": "User",
}

_OPERATIONS: Final = (
    ("register/action", "Attestation Providers", "Register", "Does nothing: it is registered."),
    ("attestationProviders/read", "Attestation Provider", "Get", "Gets or lists providers."),
    ("attestationProviders/write", "Attestation Provider", "Create", "Makes or changes one."),
    ("attestationProviders/delete", "Attestation Provider", "Delete", "Deletes one."),
    ("attestationProviders/attestation/read", "Policy", "Get", "Gets policies and signers."),
    ("attestationProviders/attestation/write", "Policy", "Set", "Sets policies, adds signers."),
    ("attestationProviders/attestation/delete", "Policy", "Reset", "Resets and removes them."),
)


def provider_document(provider: Provider, version: str) -> dict[str, JsonValue]:
    """A provider."""
    document: dict[str, JsonValue] = {
        "id": _provider_id(provider),
        "name": provider.instance.name,
        "type": _TYPE,
        "location": provider.location,
    }
    if provider.instance.tags:
        document["tags"] = dict(provider.instance.tags)
    elif version == PREVIEW:
        document["tags"] = None
    document["properties"] = _properties(provider, version)
    if version != PREVIEW:
        document["systemData"] = _system_data(provider)
    return document


def default_document(provider: Provider, version: str) -> dict[str, JsonValue]:
    """A provider that is everybody's: it is in no subscription, and nobody's to see who made it."""
    document = provider_document(provider, version)
    document.pop("systemData", None)
    return {**document, "id": f"providers/{_TYPE}/{provider.instance.name}"}


def list_document(documents: Iterable[dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """A list, all on one page."""
    return {"value": list(documents)}


def connection_document(provider: Provider, record: PrivateEndpointRecord) -> dict[str, JsonValue]:
    """A private endpoint connection."""
    properties: dict[str, JsonValue] = {
        "privateLinkServiceConnectionState": {
            "status": record.status,
            "description": record.description,
            "actionsRequired": record.actions_required,
        },
        "provisioningState": "Succeeded",
    }
    if record.endpoint:
        properties = {"privateEndpoint": {"id": record.endpoint}, **properties}
    return {
        "id": f"{_provider_id(provider)}/privateEndpointConnections/{record.name}",
        "name": record.name,
        "type": f"{_TYPE}/privateEndpointConnections",
        "properties": properties,
    }


def private_link_document(provider: Provider) -> dict[str, JsonValue]:
    """What private endpoints could be connected to: the provider's one interface."""
    return {
        "id": f"{_provider_id(provider)}/privateLinkResources/standard",
        "name": "standard",
        "type": f"{_TYPE}/privateLinkResources",
        "properties": {
            "groupId": "standard",
            "requiredMembers": ["standard"],
            "requiredZoneNames": ["privatelink.attest.azure.net"],
        },
    }


def operations_document() -> dict[str, JsonValue]:
    """What can be done here, by the names of the rights to do it."""
    return list_document(
        {
            "name": f"{NAMESPACE}/{name}",
            "display": {
                "provider": NAMESPACE,
                "resource": resource,
                "operation": operation,
                "description": description,
            },
        }
        for name, resource, operation, description in _OPERATIONS
    )


def registration_document(subscription: str, locations: Iterable[str]) -> dict[str, JsonValue]:
    """The namespace as a subscription has it: registered, always."""
    types = ("attestationProviders", "defaultProviders", "locations/defaultProvider", "operations")
    offered: list[JsonValue] = list(locations)
    versions: list[JsonValue] = list(reversed(VERSIONS))
    return {
        "id": f"/subscriptions/{subscription}/providers/{NAMESPACE}",
        "namespace": NAMESPACE,
        "registrationState": "Registered",
        "resourceTypes": [
            {"resourceType": kind, "locations": offered, "apiVersions": versions} for kind in types
        ],
    }


def subscription_document(subscription: str) -> dict[str, JsonValue]:
    """A subscription."""
    return {
        "id": f"/subscriptions/{subscription}",
        "subscriptionId": subscription,
        "displayName": subscription,
        "state": "Enabled",
    }


def location_document(subscription: str, name: str) -> dict[str, JsonValue]:
    """A location."""
    return {
        "id": f"/subscriptions/{subscription}/locations/{name}",
        "name": name,
        "displayName": name,
    }


def group_document(subscription: str, group: str, location: str) -> dict[str, JsonValue]:
    """A resource group: any that has a name is there."""
    return {
        "id": f"/subscriptions/{subscription}/resourceGroups/{group}",
        "name": group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": location,
        "properties": {"provisioningState": "Succeeded"},
    }


def _provider_id(provider: Provider) -> str:
    return (
        f"/subscriptions/{provider.subscription}/resourceGroups/{provider.resource_group}"
        f"/providers/{_TYPE}/{provider.instance.name}"
    )


def _properties(provider: Provider, version: str) -> dict[str, JsonValue]:
    model = provider.instance.trust_model
    properties: dict[str, JsonValue] = {
        # A shared one is of nobody's, and nobody's certificates are needed to change it.
        "trustModel": TrustModel.AAD.value if model is TrustModel.SHARED else model.value,
        "status": "Ready" if provider.servable else "Error",
        "attestUri": provider.instance.issuer,
    }
    if version == CURRENT:
        properties |= {name: provider.properties.get(name) for name in _CURRENT_PROPERTIES}
    if version != PREVIEW and provider.private_endpoints:
        properties["privateEndpointConnections"] = [
            connection_document(provider, one) for one in provider.private_endpoints
        ]
    return properties


def _system_data(provider: Provider) -> dict[str, JsonValue]:
    instance = provider.instance
    document = _authorship("created", provider.created_by, instance.created_at)
    if instance.updated_at is not None:
        document |= _authorship("lastModified", provider.updated_by, instance.updated_at)
    return document


def _authorship(what: str, author: Author | None, at: datetime) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = {}
    if author is not None:
        document[f"{what}By"] = author.name
        if author.kind in _AUTHOR_TYPES:
            document[f"{what}ByType"] = _AUTHOR_TYPES[author.kind]
    moment = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    document[f"{what}At"] = f"{moment}Z"
    return document
