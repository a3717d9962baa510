"""The application: routes over the use cases, inside limits, inside the edge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from assay.server.answers import FixedAnswer, send_body
from assay.server.arm.plane import Management, ManagementPlane
from assay.server.edge import Edge
from assay.server.health import CheckedStore, Readiness
from assay.server.hosting import Hosting, Instances
from assay.server.limits import Limits
from assay.server.maa.administration import Administration, administration_routes
from assay.server.maa.attest import AttestEndpoint
from assay.server.maa.metadata import InstanceDocument
from assay.server.maa.tpm import TpmServices, tpm_routes
from assay.server.settings import LimitSettings
from assay.server.telemetry import METRICS_CONTENT_TYPE, Metrics, Telemetry
from assay.service.attestation import AttestationService

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]

_KEPT_ROUTES: Final = 256
"""Far more addresses than there are to be served."""

_GET: Final = ["GET"]
_POST: Final = ["POST"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the application is made of."""

    instances: Instances
    default_instance: str
    """The name of the instance that requests are about which name none."""

    administration: Administration
    tpm: TpmServices
    management: Management | None = None
    """The management plane, where it is switched on."""

    attestation: AttestationService
    store: CheckedStore
    collateral: str
    """The name of the collateral source, for people."""

    telemetry: Telemetry
    limits: LimitSettings
    close: Callable[[], Awaitable[None]]


def create_app(services: Services) -> ASGIApp:
    """The ASGI application that serves `services`."""
    router = _Router(routes(services), _lifespan(services))
    served: ASGIApp = Hosting(router, services.instances, default=services.default_instance)
    if services.management is not None:
        served = ManagementPlane(served, services.management)
    return Edge(Limits(served, services.limits), services.telemetry)


def routes(services: Services) -> list[Route]:
    """Every address that is answered. Patterns are in lower case; addresses match in any case."""
    instances = services.instances
    attest = AttestEndpoint(services.attestation, instances, max_depth=services.limits.json_depth)
    keys = InstanceDocument(instances, lambda instance: instance.key_set)
    metadata = InstanceDocument(instances, lambda instance: instance.metadata)
    found = [
        *tpm_routes(services.tpm, instances, max_depth=services.limits.json_depth),
        Route("/attest/{attestation_type}", attest, methods=_POST),
        Route("/certs", keys, methods=_GET),
        Route("/.well-known/openid-configuration", metadata, methods=_GET),
        *administration_routes(services.administration, instances),
        Route("/health/live", FixedAnswer(b'{"status":"live"}'), methods=_GET),
        Route(
            "/health/ready",
            Readiness(
                store=services.store,
                instances=instances,
                instance=services.default_instance,
                collateral=services.collateral,
            ),
            methods=_GET,
        ),
        Route("/openapi.json", FixedAnswer(openapi_document()), methods=_GET),
    ]
    metrics = services.telemetry.metrics
    if metrics is not None:
        found.append(Route("/metrics", _MetricsEndpoint(metrics), methods=_GET))
    return found


def openapi_document() -> bytes:
    """The description of this interface."""
    return files("assay.server").joinpath("openapi.json").read_bytes()


class _Router:
    """Starlette's router, which raises where it finds no route, and what it has found before."""

    __slots__ = ("_found", "_router")

    def __init__(self, routes: list[Route], lifespan: Lifespan) -> None:
        self._router = Router(routes, redirect_slashes=False, lifespan=lifespan)
        self._found: dict[tuple[str, str], tuple[Route, dict[str, Any]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        asked = (scope["method"], scope["path"])
        found = self._found.get(asked)
        if found is not None:
            scope["route"], scope["path_params"] = found
            await found[0].app(scope, receive, send)
            return
        # The router answers for itself where it is not inside an application.
        scope["app"] = self
        await self._router(scope, receive, send)
        if len(self._found) < _KEPT_ROUTES:
            self._found[asked] = (scope["route"], scope["path_params"])


class _MetricsEndpoint:
    __slots__ = ("_metrics",)

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer in Prometheus's text form."""
        content_type = (b"content-type", METRICS_CONTENT_TYPE)
        await send_body(send, self._metrics.render(), content_type=content_type)


def _lifespan(services: Services) -> Lifespan:
    @asynccontextmanager
    async def live(_app: Any) -> AsyncIterator[None]:  # noqa: ANN401  Starlette's interface
        yield
        await services.close()

    return live
