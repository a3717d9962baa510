"""The management plane over a store, and what its callers send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from cryptography import x509

from assay.encoding import JsonValue, parse_json_object
from assay.keys import KeyEncryptionKey, SigningAlgorithm
from assay.server.app import create_app
from assay.server.arm.operations import ArmOffer
from assay.server.arm.plane import Management
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.authorizer import Authorizer
from assay.server.auth.settings import AuthSettings
from assay.service.instance_options import InstanceOptions
from assay.service.instances import Surroundings, define_instance
from assay.service.keys import KeyChest
from assay.service.providers import Home, NewProviders, ProviderService
from assay.service.provisioning import ProvisioningService
from assay.service.refusals import RefusalRecord
from assay.service.registry import InstanceRegistry
from assay.store import Store
from tests.administration import Hosted, hosted, x5c
from tests.conftest import AT
from tests.serving import make_administration, make_services, simulated_platform

SUBSCRIPTION: Final = "00000000-0000-0000-0000-000000000000"
GROUP: Final = "clitest000001"
SUBSCRIPTIONS: Final = f"/subscriptions/{SUBSCRIPTION}"
NAMESPACE: Final = "/providers/Microsoft.Attestation"
PROVIDERS: Final = f"{SUBSCRIPTIONS}/resourceGroups/{GROUP}{NAMESPACE}/attestationProviders"
CURRENT: Final = "?api-version=2021-06-01"


def make_providers(store: Store, *, kept: str = "aad") -> ProviderService:
    """The use cases, with keys that are quickly made."""
    chest = KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))
    surroundings = Surroundings(simulated=simulated_platform().anchors)
    return ProviderService(
        provisioning=ProvisioningService(chest=chest, now=lambda: AT),
        home=Home(subscription=SUBSCRIPTION, resource_group="home", location="local"),
        new=NewProviders(
            issuer=lambda name, location: f"https://{name}.{location}.example",
            options=InstanceOptions(simulator=True, token_algorithm=SigningAlgorithm.ES256),
            kept=kept,
        ),
        check=lambda record: define_instance(record, surroundings),
    )


def make_management(
    store: Store,
    registry: InstanceRegistry,
    *,
    authorizer: Authorizer | None = None,
    kept: str = "aad",
    locations: tuple[str, ...] = (),
) -> Management:
    """The management plane, for everybody on this machine if not told otherwise."""
    everybody = open_authorizer(AuthSettings(), api_tokens=None, dev=True, now=lambda: AT)
    return Management(
        offer=ArmOffer(providers=make_providers(store, kept=kept), locations=locations),
        authorizer=authorizer or everybody,
        refusals=RefusalRecord(store, lambda: AT),
        instances=registry,
    )


@contextmanager
def managed(url: str, **options: Any) -> Iterator[Hosted]:  # noqa: ANN401  of `make_management`
    """An application with the management plane over the store at `url`."""
    with hosted(url) as found:
        services = replace(
            make_services(),
            instances=found.registry,
            default_instance="aad",
            administration=make_administration(found.store),
            management=make_management(found.store, found.registry, **options),
        )
        yield Hosted(create_app(services), found.store, found.registry)


def provider_body(
    *certificates: x509.Certificate,
    location: str = "westus",
    **members: Any,  # noqa: ANN401
) -> dict[str, JsonValue]:
    """What creates a provider."""
    keys: list[JsonValue] = [
        {"alg": "RS256", "kty": "RSA", "use": "sig", "x5c": x5c(one)} for one in certificates
    ]
    return {
        "location": location,
        "properties": {"policySigningCertificates": {"keys": keys}},
        **members,
    }


def error_of(answer: Any, status: int) -> dict[str, Any]:  # noqa: ANN401  a response
    """The error in an answer that must be one."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert answer.headers["x-ms-error-code"] == error["code"]
    return error


def last_audit(store: Store, count: int = 1) -> Sequence[dict[str, Any]]:
    """The newest audit records, the oldest of them first."""
    return [parse_json_object(line, "record") for line in list(store.audit.lines())[-count:]]
