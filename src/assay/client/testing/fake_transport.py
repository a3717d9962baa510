"""Transports that end in a fake service."""

from __future__ import annotations

from typing import final

from assay.client.http import HttpRequest, HttpResponse
from assay.client.testing.fake_service import FakeService


@final
class FakeTransport:
    """For the clients of `assay.client`."""

    def __init__(self, service: FakeService | None = None) -> None:
        self.service = service or FakeService()

    def send(self, request: HttpRequest) -> HttpResponse:
        """What the service says."""
        return self.service.answer(request)

    def close(self) -> None:
        """Nothing is open."""


@final
class AsyncFakeTransport:
    """For the clients of `assay.client.aio`."""

    def __init__(self, service: FakeService | None = None) -> None:
        self.service = service or FakeService()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """What the service says."""
        return self.service.answer(request)

    async def close(self) -> None:
        """Nothing is open."""
