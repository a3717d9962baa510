"""The document that says where an instance's keys are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from assay.client.answers import read_object, strange
from assay.client.call import Call, get
from assay.client.http import HttpResponse
from assay.encoding import JsonValue


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdMetadata:
    """OpenID metadata of an instance. The client itself does not go by them."""

    issuer: str
    jwks_uri: str
    response_types_supported: tuple[str, ...] = ()
    signing_algorithms: tuple[str, ...] = ()
    """`id_token_signing_alg_values_supported`."""

    claims_supported: tuple[str, ...] = ()
    revocation_endpoint: str | None = None
    members: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """The whole document."""


def get_metadata() -> Call:
    """The call for the document."""
    return get("get OpenID metadata", "/.well-known/openid-configuration")


def get_keys() -> Call:
    """The call for the keys that an instance signs with."""
    return get("get signing certificates", "/certs")


def read_metadata(response: HttpResponse) -> OpenIdMetadata:
    """The document.

    Raises:
        ServiceError: It has no issuer, or does not say where the keys are.
    """
    members = read_object(response)
    issuer, keys, revocation = (
        members.get(name) for name in ("issuer", "jwks_uri", "revocation_endpoint")
    )
    if not isinstance(issuer, str) or not isinstance(keys, str):
        raise strange(response, "the service's metadata have no issuer, or no address of its keys")
    return OpenIdMetadata(
        issuer=issuer,
        jwks_uri=keys,
        response_types_supported=_texts(members.get("response_types_supported")),
        signing_algorithms=_texts(members.get("id_token_signing_alg_values_supported")),
        claims_supported=_texts(members.get("claims_supported")),
        revocation_endpoint=revocation if isinstance(revocation, str) else None,
        members=members,
    )


def _texts(value: JsonValue) -> tuple[str, ...]:
    items = value if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str))
