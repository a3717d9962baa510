"""A FastAPI dependency: the endpoint gets the verified token, or is not called.

```python
Attested = Annotated[VerifiedToken, Depends(attestation(verifier))]
```

It needs Starlette alone, which FastAPI brings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.bearer import RefusedError, authenticate
from assay.token import VerifiedToken


def attestation(
    verifier: AsyncTokenVerifier,
) -> Callable[[HTTPConnection], Awaitable[VerifiedToken]]:
    """The dependency of a verifier, which whoever made it closes."""

    async def attested(connection: HTTPConnection) -> VerifiedToken:
        try:
            return await authenticate(verifier, connection.headers.getlist("authorization"))
        except RefusedError as error:
            refusal = error.refusal
            challenge = {"WWW-Authenticate": refusal.challenge} if refusal.challenge else None
            raise HTTPException(
                int(refusal.status), detail=refusal.message, headers=challenge
            ) from error

    return attested
