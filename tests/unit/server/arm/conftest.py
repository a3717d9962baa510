"""A management plane over two instances, and what its callers put there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from assay.store import Store, TrustModel
from tests.administration import Hosted, add_instance, make_record
from tests.management import CURRENT, NAMESPACE, PROVIDERS, SUBSCRIPTIONS, managed, provider_body

HOME: Final = f"{SUBSCRIPTIONS}/resourceGroups/home{NAMESPACE}/attestationProviders"
CONNECTION: Final = f"{PROVIDERS}/mine/privateEndpointConnections/link{CURRENT}"
OTHER_SUBSCRIPTION: Final = "7a5b3c1d-0000-4000-8000-00000000abcd"


def fill(url: str) -> str:
    with closing(Store.open(url)) as store:
        add_instance(store, make_record("aad"))
        add_instance(store, make_record("shared", TrustModel.SHARED, region="Central US"))
    return url


@pytest.fixture
def service(upgraded_sqlite: str) -> Iterator[Hosted]:
    with managed(fill(upgraded_sqlite)) as found:
        yield found


def create_provider(service: Hosted, name: str = "mine", *signers: Any, **members: Any) -> Any:  # noqa: ANN401
    return service.call(
        "PUT", f"{PROVIDERS}/{name}{CURRENT}", json=provider_body(*signers, **members)
    )


def connection_body(status: str | None, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    state = {"status": status, "description": "why", "actionsRequired": "None"}
    return {"properties": {"privateLinkServiceConnectionState": state, **members}}
