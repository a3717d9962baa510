"""The answer to an Azure guest: a token that only the guest's TPM can open.

Source: MAA protocol, section 9.6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, final

from assay.client.answers import read_data, strange
from assay.client.attestation_token import AttestationToken
from assay.client.errors import TokenValidationError
from assay.client.http import HttpResponse
from assay.encoding import EncodingError, JsonValue, decode_base64, parse_json_object

_ASSOCIATED_DATA: Final = b"Transport Key"
_PARAMETERS: Final[dict[str, JsonValue]] = {
    "BlockMode": "ChainingModeGCM",
    "Cipher": "AES",
    "KeySizeInBits": 256,
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SealedToken:
    """An encrypted token, and the key to it under the TPM's own encryption key."""

    encrypted_inner_key: bytes = field(repr=False)
    """To be opened by the TPM: RSAES-PKCS1-v1_5 under the key whose public part was sent."""

    encrypted_token: bytes = field(repr=False)
    initialization_vector: bytes = field(repr=False)
    authentication_tag: bytes = field(repr=False)

    def open(self, inner_key: bytes) -> AttestationToken:
        """The token, decrypted and not yet validated.

        Args:
            inner_key: What the TPM decrypted.

        Raises:
            TokenValidationError: The key does not fit, or the inside is no token.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        sealed = self.encrypted_token + self.authentication_tag
        try:
            text = AESGCM(inner_key).decrypt(self.initialization_vector, sealed, _ASSOCIATED_DATA)
            return AttestationToken.decode(text.decode("ascii"))
        except (InvalidTag, ValueError) as error:
            raise TokenValidationError(
                "the sealed token does not open: expected the key that this machine's TPM "
                "decrypts from it, got another"
            ) from error


def read_sealed_token(response: HttpResponse) -> SealedToken:
    """The sealed token of an answer.

    Raises:
        ServiceError: It has none, or one that is encrypted in an unknown way.
    """
    try:
        members = parse_json_object(read_data(response, "token"), "sealed token")
        parameters = _parameters(members.get("EncryptionParams"))
        return SealedToken(
            encrypted_inner_key=_member(members, "EncryptedInnerKey"),
            encrypted_token=_member(members, "Jwt"),
            initialization_vector=_member(parameters, "Iv"),
            authentication_tag=_member(members, "AuthenticationData"),
        )
    except EncodingError as error:
        raise strange(
            response, f"the service answered without a sealed token: {error.message}"
        ) from error


def _parameters(value: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or any(
        value.get(name) != needed for name, needed in _PARAMETERS.items()
    ):
        raise EncodingError("it is not encrypted by AES-256-GCM")
    return value


def _member(members: dict[str, JsonValue], name: str) -> bytes:
    value = members.get(name)
    if not isinstance(value, str):
        raise EncodingError(f"{name}: expected a text")
    return decode_base64(value, name)
