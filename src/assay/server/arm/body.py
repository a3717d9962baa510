"""The bodies of requests to the management plane, as JSON that is strict about every member.

Members that are the service's own, which a caller sends back with what it has read, are taken and
not looked at, except where believing them would mislead: see `WantedProvider`.

Source: Azure Resource Manager, `Microsoft.Attestation`, version 2021-06-01.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from cryptography import x509
from msgspec import Meta

from assay.encoding import EncodingError, decode_base64, parse_json_object
from assay.errors import RequestError
from assay.server.arm.errors import ArmRefusal, ArmRefusedError
from assay.service.providers import WantedProvider, normal_location
from assay.store import PrivateEndpointRecord
from assay.x509.chain import PARSE_ERRORS, read_fields

# What operators read on their terminals has no control characters.
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]*\Z"
Tags = dict[
    Annotated[str, Meta(min_length=1, max_length=512, pattern=_PRINTABLE)],
    Annotated[str, Meta(max_length=256, pattern=_PRINTABLE)],
]
Text = Annotated[str, Meta(max_length=1024, pattern=_PRINTABLE)]
T = TypeVar("T")

_MAX_TAGS: Final = 50
_MAX_SIGNERS: Final = 64
_MAX_LOCATION: Final = 64
_SHOWN_CHARACTERS: Final = 64
_PRIVATE_MEMBERS: Final = ("d", "dp", "dq", "k", "p", "q", "qi")
_OFFERED: Final = "Enabled"
_NOT_OFFERED: Final = {
    "publicNetworkAccess": "who can reach an instance is decided by the network around this "
    "server, which cannot promise it",
    "tpmAttestationAuthentication": "whether TPMs of unknown callers are attested is for this "
    "server's operator to say, with instance.tpm_attestation_authentication",
}
"""Properties that have to be `Enabled`, and why nothing else is taken."""


class _Struct(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    pass


class _Key(_Struct, frozen=True, kw_only=True):
    """A key of `policySigningCertificates`. The first certificate in `x5c` is what counts."""

    kty: str
    x5c: tuple[str, ...] | None = None
    alg: str | None = None
    crv: str | None = None
    d: Any = None
    dp: Any = None
    dq: Any = None
    e: str | None = None
    k: Any = None
    kid: str | None = None
    n: str | None = None
    p: Any = None
    q: Any = None
    qi: Any = None
    use: str | None = None
    x: str | None = None
    y: str | None = None


class _KeySet(_Struct, frozen=True, kw_only=True):
    keys: tuple[_Key, ...] | None = None


class _Properties(_Struct, frozen=True, kw_only=True):
    public_network_access: str | None = None
    tpm_attestation_authentication: str | None = None


class _NewProperties(_Properties, frozen=True, kw_only=True):
    policy_signing_certificates: _KeySet | None = None
    attest_uri: str | None = None
    private_endpoint_connections: Any = None
    status: Any = None
    trust_model: str | None = None


class _Resource(_Struct, frozen=True, kw_only=True):
    """What every resource has, and nobody sets."""

    id: Any = None
    name: Any = None
    type: Any = None
    system_data: Any = None


class _NewProvider(_Resource, frozen=True, kw_only=True):
    properties: _NewProperties
    location: str | None = None
    tags: Tags | None = None


class _ProviderPatch(_Struct, frozen=True, kw_only=True):
    tags: Tags | None = None
    properties: _Properties | None = None


class _Endpoint(_Struct, frozen=True, kw_only=True):
    id: Annotated[str, Meta(max_length=2048, pattern=_PRINTABLE)] | None = None


class _ConnectionState(_Struct, frozen=True, kw_only=True):
    status: str | None = None
    description: Text | None = None
    actions_required: Text | None = None


class _ConnectionProperties(_Struct, frozen=True, kw_only=True):
    private_link_service_connection_state: _ConnectionState
    private_endpoint: _Endpoint | None = None
    provisioning_state: Any = None
    group_ids: Any = None


class _Connection(_Resource, frozen=True, kw_only=True):
    properties: _ConnectionProperties


_STATUSES: Final = {status.lower(): status for status in ("Pending", "Approved", "Rejected")}


def decode_provider(body: bytes, locations: tuple[str, ...]) -> WantedProvider:
    """The provider that a body describes.

    Args:
        body: The request's.
        locations: Where providers can be; none for anywhere.

    Raises:
        ArmRefusedError: It is not of the form above, or asks for what is not offered.
    """
    given = _decode(body, _NewProvider)
    properties = given.properties
    certificates = properties.policy_signing_certificates
    keys = None if certificates is None else certificates.keys
    return WantedProvider(
        location=_location(given.location, locations),
        tags=_tags(given.tags) or {},
        properties=_offered(properties),
        signers=_signers(keys or ()),
        trust_model=properties.trust_model,
        attest_uri=properties.attest_uri,
    )


def decode_patch(body: bytes) -> tuple[Mapping[str, str] | None, Mapping[str, str]]:
    """The tags, if there are, and the properties that a body changes.

    Raises:
        ArmRefusedError: It is not of the form above, or asks for what is not offered.
    """
    given = _decode(body, _ProviderPatch)
    return _tags(given.tags), _offered(given.properties or _Properties())


def decode_connection(body: bytes, name: str) -> PrivateEndpointRecord:
    """The private endpoint connection that a body describes, of an instance yet to be found.

    Raises:
        ArmRefusedError: It is not of the form above.
    """
    properties = _decode(body, _Connection).properties
    state = properties.private_link_service_connection_state
    endpoint = None if properties.private_endpoint is None else properties.private_endpoint.id
    status = _STATUSES.get((state.status or "Pending").lower())
    if status is None:
        raise ArmRefusedError(
            ArmRefusal.CONTENT,
            f"a connection is {', '.join(_STATUSES.values())}, not "
            f"{(state.status or '')[:_SHOWN_CHARACTERS]!r}",
            target="privateLinkServiceConnectionState",
        )
    return PrivateEndpointRecord(
        instance="",
        name=name,
        status=status,
        endpoint=endpoint or "",
        description=state.description or "",
        actions_required=state.actions_required or "",
    )


def decode_group(body: bytes) -> None:
    """Check the body that describes a resource group.

    Raises:
        ArmRefusedError: It is not a JSON object.
    """
    _document(body)


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.convert(_document(body), kind)
    except msgspec.ValidationError as error:
        raise ArmRefusedError(ArmRefusal.CONTENT, f"the body is not of its form: {error}") from None


def _document(body: bytes) -> dict[str, Any]:
    try:
        return dict(parse_json_object(body, "body", max_depth=16))
    except EncodingError as error:
        raise RequestError(error.message) from error


def _location(given: str | None, locations: tuple[str, ...]) -> str:
    location = normal_location(given or "")
    if not location:
        raise ArmRefusedError(
            ArmRefusal.LOCATION_MISSING, "a provider needs a location", target="location"
        )
    if locations and location not in {normal_location(one) for one in locations}:
        wanted = f"there are {', '.join(locations)}"
    elif len(location) > _MAX_LOCATION or not (location.isascii() and location.isalnum()):
        wanted = f"locations have up to {_MAX_LOCATION} letters and digits"
    else:
        return location
    raise ArmRefusedError(
        ArmRefusal.LOCATION,
        f"the location {location[:_SHOWN_CHARACTERS]!r} is not available: {wanted}",
        target="location",
    )


def _tags(given: Tags | None) -> Tags | None:
    if given is not None and len(given) > _MAX_TAGS:
        raise ArmRefusedError(
            ArmRefusal.CONTENT, f"a provider has up to {_MAX_TAGS} tags, not {len(given)}"
        )
    return given


def _offered(properties: _Properties) -> dict[str, str]:
    given = {
        "publicNetworkAccess": properties.public_network_access,
        "tpmAttestationAuthentication": properties.tpm_attestation_authentication,
    }
    found = {name: value for name, value in given.items() if value is not None}
    for name, value in found.items():
        if value.lower() != _OFFERED.lower():
            raise ArmRefusedError(
                ArmRefusal.NOT_SUPPORTED,
                f"{name} is {_OFFERED} here, not {value[:_SHOWN_CHARACTERS]!r}: "
                f"{_NOT_OFFERED[name]}",
                target=name,
            )
    return dict.fromkeys(found, _OFFERED)


def _signers(keys: tuple[_Key, ...]) -> tuple[x509.Certificate, ...]:
    if len(keys) > _MAX_SIGNERS:
        raise _bad_key(f"up to {_MAX_SIGNERS} certificates, not {len(keys)}")
    return tuple(_signer(key) for key in keys)


def _signer(key: _Key) -> x509.Certificate:
    if any(getattr(key, name) is not None for name in _PRIVATE_MEMBERS):
        raise _bad_key(
            "certificates, and one of the keys has private parts; that key is no secret any more"
        )
    if not key.x5c:
        raise _bad_key("keys with a certificate in x5c, and one has none")
    try:
        certificate = x509.load_der_x509_certificate(decode_base64(key.x5c[0], "x5c"))
        read_fields(certificate)
    except (EncodingError, *PARSE_ERRORS) as error:
        raise _bad_key("certificates in x5c as base64 of DER, and one is not") from error
    return certificate


def _bad_key(wanted: str) -> ArmRefusedError:
    return ArmRefusedError(
        ArmRefusal.CONTENT,
        f"policySigningCertificates takes {wanted}",
        target="policySigningCertificates",
    )
