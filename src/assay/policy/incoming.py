"""Incoming claims as files hold them: as a JSON object, or as the claims of a token.

The object has a member for each claim type: a value (one claim of the service), an array (several
claims), or an object that says more: `{"value": ..., "issuer": ...}`, or `{"json": ...}` for a
string claim that holds the compact text of the member; both may have `"readonly": true`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from assay.claims import CATALOGUE, Claim, ClaimIssuer, ClaimValue, Where
from assay.claims.names import DEPRECATED_NAMES
from assay.encoding import EncodingError, JsonValue, encode_json, json_type
from assay.policy.functions import in_range
from assay.policy.hints import claim_meant, meant

_MEMBERS: Final = ("value", "json", "issuer", "readonly")

_OF_THE_SERVICE: Final = Where.INCOMING | Where.TOKEN

TOKEN_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sgx": "SgxEnclave",
        "sevsnpvm": "SevSnpVm",
        "tdxvm": "TdxVm",
        "azurevm": "AzureGuest",
        "tpm": "Tpm",
    }
)
"""Attestation types by what tokens call them in `x-ms-attestation-type`."""


def read_incoming_claims(members: Mapping[str, JsonValue], what: str) -> tuple[Claim, ...]:
    """The claims that a JSON object lists, in its order.

    Args:
        members: The object.
        what: What errors call it.

    Raises:
        EncodingError: A member is not of the form that this module describes.
    """
    return tuple(
        _claim(name, element, f"{what}: {name}")
        for name, member in members.items()
        for element in (member if isinstance(member, list) else [member])
    )


def token_attestation_type(members: Mapping[str, JsonValue]) -> str:
    """The attestation type that a token's claims name.

    Raises:
        EncodingError: They name none, or one that no catalogue of claims is for.
    """
    name = members.get("x-ms-attestation-type")
    if isinstance(name, str) and name in TOKEN_TYPES:
        return TOKEN_TYPES[name]
    got = "none" if name is None else json_type(name) if not isinstance(name, str) else repr(name)
    raise EncodingError(
        f"x-ms-attestation-type: expected one of {', '.join(TOKEN_TYPES)}, got {got}"
    )


def claims_from_token(members: Mapping[str, JsonValue], attestation_type: str) -> tuple[Claim, ...]:
    """What the evidence behind a token said to policies, as far as the token tells.

    A token holds the claims of the service and those that its policy issued. The catalogue tells
    them apart: what the service gives to policies of the type and also puts into its tokens comes
    back, for SGX under the deprecated names, too. The rest does not; of a TPM that is nearly all.
    """
    names = CATALOGUE.get(attestation_type, {})
    claims = [
        Claim(name, value)
        for name, known in names.items()
        if known.where & _OF_THE_SERVICE == _OF_THE_SERVICE and name in members
        for value in _values(members[name])
    ]
    aliases = [
        Claim(DEPRECATED_NAMES[claim.type], claim.value)
        for claim in claims
        if DEPRECATED_NAMES.get(claim.type) in names
    ]
    return (*claims, *aliases)


def doubtful_claims(incoming: Iterable[Claim], attestation_type: str | None) -> Iterator[str]:
    """A sentence for each claim of the service that no evidence of the type has like this.

    Nothing without a type. The policy decides over such claims all the same.
    """
    names = CATALOGUE.get(attestation_type or "")
    if names is None:
        return
    for claim in incoming:
        known = names.get(claim.type)
        if claim.issuer is not ClaimIssuer.SERVICE:
            continue
        if known is None or not known.incoming:
            hint = claim_meant(claim.type, [name for name, one in names.items() if one.incoming])
            sentence = f"no {attestation_type} evidence has the claim {claim.type}"
            yield sentence + (f"; {hint}" if hint else "")
        elif claim.value_type is not known.value_type:
            yield f"{claim.type} is of type {known.value_type}, this is of type {claim.value_type}"


def _values(member: JsonValue) -> Iterator[ClaimValue]:
    for element in member if isinstance(member, list) else [member]:
        if isinstance(element, str | int) and in_range(element):
            yield element


def _claim(name: str, element: JsonValue, where: str) -> Claim:
    if not isinstance(element, dict):
        return Claim(name, _value(element, where))
    for member in element:
        if member not in _MEMBERS:
            hint = meant(member, _MEMBERS)
            expected = f"the members {', '.join(_MEMBERS)}"
            raise EncodingError(
                f"{where}: expected {expected}, got {member!r}" + (f"; {hint}" if hint else "")
            )
    if ("value" in element) == ("json" in element):
        raise EncodingError(f"{where}: expected one of `value` and `json`")
    if "json" in element:
        value: ClaimValue = encode_json(element["json"]).decode()
    else:
        value = _value(element["value"], where)
    return Claim(
        name,
        value,
        _issuer(element.get("issuer", ClaimIssuer.SERVICE.value), where),
        _is_read_only(element.get("readonly", False), where),
    )


def _value(value: JsonValue, where: str) -> ClaimValue:
    if not isinstance(value, str | int):
        got = f"got {json_type(value)}" + (" with a fraction" if isinstance(value, float) else "")
        raise EncodingError(
            f"{where}: expected a string, an integer or a boolean, {got}; "
            'a string that holds JSON is written {"json": ...}'
        )
    if not in_range(value):
        raise EncodingError(f"{where}: expected an integer of 64 bits with sign, got {value}")
    return value


def _issuer(issuer: JsonValue, where: str) -> ClaimIssuer:
    known = {one.value: one for one in ClaimIssuer}
    if not isinstance(issuer, str) or issuer not in known:
        got = repr(issuer) if isinstance(issuer, str) else json_type(issuer)
        raise EncodingError(f"{where}: expected an issuer, one of {', '.join(known)}, got {got}")
    return known[issuer]


def _is_read_only(flag: JsonValue, where: str) -> bool:
    if not isinstance(flag, bool):
        raise EncodingError(f"{where}: expected `readonly` as true or false, got {json_type(flag)}")
    return flag
