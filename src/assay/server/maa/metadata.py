"""`GET /certs` and `GET /.well-known/openid-configuration`.

Source: MAA protocol, section 6.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from assay.server.answers import send_body
from assay.server.hosting import Instances, chosen_instance
from assay.service.instances import Instance


class InstanceDocument:
    """Answers with a document of the instance that was asked for."""

    __slots__ = ("_document", "_instances")

    def __init__(self, instances: Instances, document: Callable[[Instance], bytes]) -> None:
        self._instances = instances
        self._document = document

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer."""
        instance = await self._instances.get(chosen_instance(scope))
        await send_body(send, self._document(instance))
