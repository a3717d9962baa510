"""The operations of the management plane: a row for each, with the right that it takes.

All rights are for the server: whoever administers one instance has none here.

| Azure's action | right |
|---|---|
| `Microsoft.Attestation/attestationProviders/read` | read |
| `Microsoft.Attestation/attestationProviders/write` | write |
| `Microsoft.Attestation/attestationProviders/delete` | delete |

Source: Azure Resource Manager, `Microsoft.Attestation`, version 2021-06-01.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from assay.access import Right
from assay.encoding import JsonValue
from assay.server.arm.address import provider_address
from assay.server.arm.body import decode_connection, decode_group, decode_patch, decode_provider
from assay.server.arm.documents import (
    connection_document,
    default_document,
    group_document,
    list_document,
    location_document,
    operations_document,
    private_link_document,
    provider_document,
    registration_document,
    subscription_document,
)
from assay.server.arm.versions import CURRENT, FIRST, PREVIEW
from assay.service.providers import ProviderAddress, ProviderService
from assay.store import Author

_SUBSCRIPTION: Final = "/subscriptions/{subscription}"
_GROUP: Final = f"{_SUBSCRIPTION}/resourcegroups/{{resource_group}}"
_NAMESPACE: Final = "/providers/microsoft.attestation"
_PROVIDERS: Final = f"{_GROUP}{_NAMESPACE}/attestationproviders"
_PROVIDER: Final = f"{_PROVIDERS}/{{provider}}"
_CONNECTIONS: Final = f"{_PROVIDER}/privateendpointconnections"
_CONNECTION: Final = f"{_CONNECTIONS}/{{connection}}"

_OK: Final = 200
_CREATED: Final = 201
_NO_CONTENT: Final = 204


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRequest:
    """What is asked for, by whom: everything that an operation gets."""

    parts: dict[str, str]
    """The names in the address."""

    version: str
    body: bytes
    author: Author

    @property
    def address(self) -> ProviderAddress:
        """The provider that it is about."""
        return provider_address(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmAnswer:
    """What is answered."""

    status: int = _OK
    document: dict[str, JsonValue] | None = None
    """Nothing where the answer has no body."""

    location: str = ""
    """The header of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOffer:
    """What operations work on."""

    providers: ProviderService
    locations: tuple[str, ...] = ()
    """Where providers can be; none for anywhere."""

    @property
    def known_locations(self) -> tuple[str, ...]:
        """What there is to say of locations."""
        return self.locations or (self.providers.home.location,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOperation:
    """One operation."""

    path: str
    method: str
    right: Right
    run: Callable[[ArmOffer, ArmRequest], ArmAnswer]
    action: str = ""
    """What the audit record calls a change; empty where nothing is changed."""

    since: str | None = PREVIEW
    """The first API version that has it; nothing for what belongs to other namespaces."""

    has_body: bool = False


def _operations(_offer: ArmOffer, _request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(document=operations_document())


def _list(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.list(request.parts["subscription"], request.parts.get("resource_group"))
    return ArmAnswer(
        document=list_document(provider_document(one, request.version) for one in found)
    )


def _list_defaults(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.defaults()
    return ArmAnswer(
        document=list_document(default_document(one, request.version) for one in found)
    )


def _get_default(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.default_at(request.parts["location"])
    return ArmAnswer(document=default_document(found, request.version))


def _get(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.get(request.address)
    return ArmAnswer(document=provider_document(found, request.version))


def _put(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    wanted = decode_provider(request.body, offer.locations)
    found, made = offer.providers.put(request.address, wanted, by=request.author)
    return ArmAnswer(
        status=_CREATED if made else _OK,
        document=provider_document(found, request.version),
        location=f"{found.instance.issuer}/" if made else "",
    )


def _patch(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    tags, properties = decode_patch(request.body)
    found = offer.providers.update(
        request.address, tags=tags, properties=properties, by=request.author
    )
    return ArmAnswer(document=provider_document(found, request.version))


def _delete(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    removed = offer.providers.delete(request.address, by=request.author)
    return ArmAnswer(status=_OK if removed else _NO_CONTENT)


def _list_connections(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.get(request.address)
    connections = [connection_document(found, one) for one in found.private_endpoints]
    return ArmAnswer(document={**list_document(connections), "nextLink": None})


def _get_connection(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.get(request.address)
    record = offer.providers.private_endpoint(request.address, request.parts["connection"])
    return ArmAnswer(document=connection_document(found, record))


def _put_connection(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.get(request.address)
    wanted = decode_connection(request.body, request.parts["connection"])
    record = offer.providers.set_private_endpoint(request.address, wanted, by=request.author)
    return ArmAnswer(document=connection_document(found, record))


def _delete_connection(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    name = request.parts["connection"]
    removed = offer.providers.remove_private_endpoint(request.address, name, by=request.author)
    return ArmAnswer(status=_OK if removed else _NO_CONTENT)


def _list_private_links(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    found = offer.providers.get(request.address)
    return ArmAnswer(document=list_document([private_link_document(found)]))


def _get_registration(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    subscription = request.parts["subscription"]
    return ArmAnswer(document=registration_document(subscription, offer.known_locations))


def _list_subscriptions(offer: ArmOffer, _request: ArmRequest) -> ArmAnswer:
    found = offer.providers.subscriptions()
    return ArmAnswer(document=list_document(subscription_document(one) for one in found))


def _get_subscription(_offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(document=subscription_document(request.parts["subscription"]))


def _list_locations(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    subscription = request.parts["subscription"]
    return ArmAnswer(
        document=list_document(
            location_document(subscription, name) for name in offer.known_locations
        )
    )


def _get_group(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    parts = request.parts
    document = group_document(
        parts["subscription"], parts["resource_group"], offer.known_locations[0]
    )
    return ArmAnswer(document=document)


def _put_group(offer: ArmOffer, request: ArmRequest) -> ArmAnswer:
    decode_group(request.body)
    return _get_group(offer, request)


ARM_OPERATIONS: Final = (
    ArmOperation(path=f"{_NAMESPACE}/operations", method="GET", right=Right.READ, run=_operations),
    ArmOperation(
        path=f"{_SUBSCRIPTION}{_NAMESPACE}/attestationproviders",
        method="GET",
        right=Right.READ,
        run=_list,
    ),
    ArmOperation(path=_PROVIDERS, method="GET", right=Right.READ, run=_list),
    ArmOperation(
        path=f"{_SUBSCRIPTION}{_NAMESPACE}/defaultproviders",
        method="GET",
        right=Right.READ,
        run=_list_defaults,
        since=FIRST,
    ),
    ArmOperation(
        path=f"{_SUBSCRIPTION}{_NAMESPACE}/locations/{{location}}/defaultprovider",
        method="GET",
        right=Right.READ,
        run=_get_default,
        since=FIRST,
    ),
    ArmOperation(path=_PROVIDER, method="GET", right=Right.READ, run=_get),
    ArmOperation(
        path=_PROVIDER,
        method="PUT",
        right=Right.WRITE,
        run=_put,
        action="instance.create",
        has_body=True,
    ),
    ArmOperation(
        path=_PROVIDER,
        method="PATCH",
        right=Right.WRITE,
        run=_patch,
        action="instance.update",
        has_body=True,
    ),
    ArmOperation(
        path=_PROVIDER,
        method="DELETE",
        right=Right.DELETE,
        run=_delete,
        action="instance.delete",
    ),
    ArmOperation(
        path=_CONNECTIONS, method="GET", right=Right.READ, run=_list_connections, since=FIRST
    ),
    ArmOperation(
        path=_CONNECTION, method="GET", right=Right.READ, run=_get_connection, since=FIRST
    ),
    ArmOperation(
        path=_CONNECTION,
        method="PUT",
        right=Right.WRITE,
        run=_put_connection,
        action="private-endpoint.set",
        since=FIRST,
        has_body=True,
    ),
    ArmOperation(
        path=_CONNECTION,
        method="DELETE",
        right=Right.DELETE,
        run=_delete_connection,
        action="private-endpoint.remove",
        since=FIRST,
    ),
    ArmOperation(
        path=f"{_PROVIDER}/privatelinkresources",
        method="GET",
        right=Right.READ,
        run=_list_private_links,
        since=CURRENT,
    ),
    ArmOperation(
        path=f"{_SUBSCRIPTION}{_NAMESPACE}",
        method="GET",
        right=Right.READ,
        run=_get_registration,
        since=None,
    ),
    ArmOperation(
        path=f"{_SUBSCRIPTION}{_NAMESPACE}/register",
        method="POST",
        right=Right.READ,
        run=_get_registration,
        since=None,
    ),
    ArmOperation(
        path="/subscriptions", method="GET", right=Right.READ, run=_list_subscriptions, since=None
    ),
    ArmOperation(
        path=_SUBSCRIPTION, method="GET", right=Right.READ, run=_get_subscription, since=None
    ),
    ArmOperation(
        path=f"{_SUBSCRIPTION}/locations",
        method="GET",
        right=Right.READ,
        run=_list_locations,
        since=None,
    ),
    ArmOperation(path=_GROUP, method="GET", right=Right.READ, run=_get_group, since=None),
    ArmOperation(
        path=_GROUP, method="PUT", right=Right.WRITE, run=_put_group, since=None, has_body=True
    ),
)
"""The last ones belong to other namespaces, and change nothing: tools that make providers ask."""
