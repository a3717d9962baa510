"""A gRPC interceptor for `grpc.aio` servers: calls with a good attestation token go on.

```python
server = grpc.aio.server(interceptors=[AttestationInterceptor(verifier)])
```

The token travels as metadata `authorization: Bearer ...`. A method gets it by `attested()`. Needs
`grpcio`, which is no dependency of this package.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final

import grpc
import grpc.aio

from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.bearer import Refusal, RefusedError, authenticate
from assay.token import VerifiedToken

_ATTESTED: Final[ContextVar[VerifiedToken]] = ContextVar("assay_attested")

_HANDLERS: Final[dict[tuple[bool, bool], Callable[..., Any]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
"""By whether requests and answers are streams."""


def attested() -> VerifiedToken:
    """The verified token of the call that is being served.

    Raises:
        LookupError: None is, or its server has no interceptor.
    """
    return _ATTESTED.get()


class AttestationInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # untyped
    """Demands an attestation token of every call."""

    def __init__(self, verifier: AsyncTokenVerifier) -> None:
        """An interceptor; whoever made the verifier closes it."""
        self._verifier = verifier

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401  gRPC's handlers have no type
        """The method's own handler, or one that refuses in its place."""
        handler = await continuation(handler_call_details)
        values = [
            value
            for name, value in handler_call_details.invocation_metadata
            if name == "authorization"
        ]
        try:
            _ATTESTED.set(await authenticate(self._verifier, values))
        except RefusedError as error:
            return _refusing(handler, error.refusal)
        return handler


def _refusing(handler: Any, refusal: Refusal) -> Any:  # noqa: ANN401  as above
    if handler is None:
        return None  # gRPC itself says that there is no such method.
    code = (
        grpc.StatusCode.UNAVAILABLE
        if refusal.status is HTTPStatus.SERVICE_UNAVAILABLE
        else grpc.StatusCode.UNAUTHENTICATED
    )
    detail = ": ".join((refusal.message, *refusal.findings))

    async def refuse(_request: object, context: Any) -> None:  # noqa: ANN401  as above
        await context.abort(code, detail)

    make = _HANDLERS[handler.request_streaming, handler.response_streaming]
    return make(
        refuse,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
