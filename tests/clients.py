"""Both kinds of client, called the same way."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from assay import client
from assay.client import aio
from assay.client.testing import AsyncFakeTransport, FakeService, FakeTransport

KINDS: Final = ("sync", "async")
_START_SECONDS: Final = 30


class Blocking:
    """An asynchronous object whose methods can be called as if they were not."""

    def __init__(self, inner: object, runner: asyncio.Runner) -> None:
        self._inner = inner
        self._runner = runner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  the object's own
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *given, **named: self._runner.run(found(*given, **named))


class Clients:
    """Makes clients of one kind, and closes them at the end."""

    def __init__(self, kind: str, runner: asyncio.Runner) -> None:
        self.kind = kind
        self._runner = runner
        self._made: list[Any] = []

    def attestation(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        return self._make(client.AttestationClient, aio.AttestationClient, given, named)

    def administration(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        return self._make(
            client.AttestationAdministrationClient,
            aio.AttestationAdministrationClient,
            given,
            named,
        )

    def transport(self, service: FakeService) -> Any:  # noqa: ANN401  of either kind
        return FakeTransport(service) if self.kind == "sync" else AsyncFakeTransport(service)

    def http_transport(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        return self._make(client.HttpTransport, aio.AsyncHttpTransport, given, named)

    def static_token(self, token: str) -> Any:  # noqa: ANN401
        return (
            client.StaticTokenCredential(token)
            if self.kind == "sync"
            else aio.StaticTokenCredential(token)
        )

    def run(self, waited: Any) -> Any:  # noqa: ANN401
        """What comes of it, awaited if need be."""
        return self._runner.run(waited) if inspect.iscoroutine(waited) else waited

    def close(self) -> None:
        for one in self._made:
            one.close()

    def _make(
        self,
        sync: Callable[..., Any],
        asynchronous: Callable[..., Any],
        given: tuple[Any, ...],
        named: dict[str, Any],
    ) -> Any:  # noqa: ANN401
        made = (
            sync(*given, **named)
            if self.kind == "sync"
            else Blocking(asynchronous(*given, **named), self._runner)
        )
        self._made.append(made)
        return made


@contextmanager
def clients_of(kind: str) -> Iterator[Clients]:
    with asyncio.Runner() as runner:
        made = Clients(kind, runner)
        try:
            yield made
        finally:
            made.close()


def wait_for_instance(url: str, ca_file: Path) -> None:
    """Until a server has seen the instance that another process made."""
    context = ssl.create_default_context(cafile=ca_file)
    deadline = time.monotonic() + _START_SECONDS
    with httpx2.Client(verify=context, trust_env=False) as http:
        while http.get(f"{url}/certs").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
