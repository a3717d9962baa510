"""A result with the token that it was read from."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from assay.client.attestation_token import AttestationToken

T = TypeVar("T")


class AttestationResponse(NamedTuple, Generic[T]):
    """What a call returns: `response.value`, or `value, token = response`."""

    value: T
    token: AttestationToken
    """What the service signed. Keep it to prove the value to somebody else."""
