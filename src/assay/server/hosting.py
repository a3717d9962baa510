"""Which instance a request is about.

| asked by | example | outranks |
|---|---|---|
| path | `/name/attest/SgxEnclave` | the host |
| header `tenantName` | `tenantName: name` | the host |
| host | `name.attest.example`, the host of the instance's public URL | |
| nothing | | |

A path and a header that name two instances are refused. Where nothing names one, it is the
instance that the settings name. Pure ASGI.

Source: MAA protocol, section 4, for the header.
"""

from __future__ import annotations

from typing import Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from assay.errors import UnknownInstanceError
from assay.server.errors import Refusal, RefusedRequestError
from assay.service.instances import Instance
from assay.store import InstanceEntry

_ENTRY: Final = "assay.instance"
_TENANT: Final = b"tenantname"
_HOST: Final = b"host"
_OF_INSTANCES: Final = frozenset({"attest", "certs", ".well-known", "policies", "certificates"})
"""What addresses of an instance begin with."""

_SHOWN_CHARACTERS: Final = 64


class Instances(Protocol):
    """The instances that there are."""

    def named(self, name: str) -> InstanceEntry | None:
        """The instance of that name, in any case."""
        ...

    def at_host(self, host: str) -> InstanceEntry | None:
        """The instance whose public URL is that host's."""
        ...

    async def get(self, entry: InstanceEntry) -> Instance:
        """The instance, ready to attest.

        Raises:
            UnknownInstanceError: It was removed meanwhile.
            SettingsError: It cannot be served as it is.
            SigningUnavailableError: A key of it is in a token that is away.
            StoreUnavailableError: It has to be loaded, and the database cannot be read.
        """
        ...

    def refresh(self) -> None:
        """Know every change that is committed by now.

        Raises:
            StoreUnavailableError: The database cannot be read.
        """
        ...


class Hosting:
    """Finds the instance of each request, and takes its name out of the path."""

    __slots__ = ("_app", "_default", "_instances")

    def __init__(self, app: ASGIApp, instances: Instances, *, default: str) -> None:
        self._app = app
        self._instances = instances
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            RefusedRequestError: It names two instances, or not one host.
            UnknownInstanceError: It names one that is not there.
        """
        if scope["type"] == "http":
            self._choose(scope)
        await self._app(scope, receive, send)

    def _choose(self, scope: Scope) -> None:
        path: str = scope["path"]
        first, _, rest = path[1:].partition("/")
        by_path = None
        if not _begins_an_address(first):
            if not _begins_an_address(rest.partition("/")[0]):
                return  # An address of the server, or of nothing.
            by_path = self._named(first)
            scope["path"] = f"/{rest}"
        tenant, host = _names(scope)
        by_header = None if tenant is None else self._named(tenant)
        if by_path is not None and by_header is not None and by_path.name != by_header.name:
            raise RefusedRequestError(
                Refusal.INSTANCE_AMBIGUOUS,
                f"the path names instance {by_path.name!r} and the header tenantName "
                f"{by_header.name!r}; leave one of them out",
                target="tenantName",
            )
        scope[_ENTRY] = by_path or by_header or self._instances.at_host(host) or self._fallback()

    def _named(self, name: str) -> InstanceEntry:
        entry = self._instances.named(name)
        if entry is None:
            raise UnknownInstanceError(f"there is no instance {name[:_SHOWN_CHARACTERS]!r}")
        return entry

    def _fallback(self) -> InstanceEntry:
        return self._named(self._default)


def chosen_instance(scope: Scope) -> InstanceEntry:
    """The instance that `Hosting` found for a request."""
    entry: InstanceEntry = scope[_ENTRY]
    return entry


def _begins_an_address(segment: str) -> bool:
    # Without the operation of `/certificates:add`.
    return segment.partition(":")[0] in _OF_INSTANCES


def _names(scope: Scope) -> tuple[str | None, str]:
    """The value of `tenantName`, where there is one, and the host."""
    tenant, host = None, None
    for name, value in scope["headers"]:
        if name == _HOST:
            if host is not None:
                raise _ambiguous_host("is there twice; leave one")
            host = value.decode("latin-1")
        elif name == _TENANT:
            if tenant is not None:
                raise RefusedRequestError(
                    Refusal.INSTANCE_AMBIGUOUS,
                    "the header tenantName is there twice; leave one",
                    target="tenantName",
                )
            tenant = value.decode("latin-1")
    if host is None and scope["http_version"] == "1.1":
        raise _ambiguous_host("is missing; name the service's address in it")
    return tenant, host or ""


def _ambiguous_host(fault: str) -> RefusedRequestError:
    """Whoever passed the request on may have read another host out of it (RFC 9112 section 3.2)."""
    return RefusedRequestError(
        Refusal.INSTANCE_AMBIGUOUS, f"the header Host {fault}", target="Host"
    )
