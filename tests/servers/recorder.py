"""An ASGI application that notes what it is asked, and can be told to answer otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(slots=True)
class Recorder:
    """Stands before `app`."""

    app: ASGIApp
    asked: list[Asked] = field(default_factory=list)
    instead: dict[str, list[Response]] = field(default_factory=dict)
    """By the end of the path: what is answered before the application answers."""

    always: dict[str, Response] = field(default_factory=dict)
    """By the end of the path: what is answered in place of the application."""

    @property
    def times(self) -> Counter[str]:
        """How often each path has been asked for."""
        return Counter(asked.path for asked in self.asked)

    def find(self, path: str) -> Asked:
        """The one question for a path."""
        (found,) = [asked for asked in self.asked if asked.path.endswith(path)]
        return found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        path = request.url.path
        self.asked.append(
            Asked(
                host=request.headers["host"],
                path=path,
                query=dict(parse_qsl(request.url.query)),
                headers=dict(request.headers),
            )
        )
        await self._answer(path)(scope, receive, send)

    def _answer(self, path: str) -> ASGIApp:
        for end, responses in self.instead.items():
            if path.endswith(end) and responses:
                return responses.pop(0)
        for end, response in self.always.items():
            if path.endswith(end):
                return response
        return self.app
