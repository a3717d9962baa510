"""Data sent beside evidence, whose hash the evidence vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import final

from assay.client.text import unicode_text
from assay.encoding import EncodingError, JsonValue, encode_base64url, parse_json_object
from assay.errors import RequestError


class AttestationDataType(StrEnum):
    """What becomes of the data in the token."""

    BINARY = "Binary"
    """`AttestationResult.enclave_held_data`."""

    JSON = "JSON"
    """`AttestationResult.runtime_claims`."""


@final
@dataclass(frozen=True, slots=True)
class AttestationData:
    """Runtime or init-time data, byte for byte as it was hashed into the evidence."""

    data: bytes
    data_type: AttestationDataType = AttestationDataType.BINARY

    def __post_init__(self) -> None:
        """Refuse JSON that the service would refuse.

        Raises:
            RequestError: Data of type JSON is not a JSON object, or has a name twice.
        """
        if self.data_type is AttestationDataType.JSON:
            try:
                parse_json_object(self.data, "data of type JSON")
            except EncodingError as error:
                raise RequestError(error.message) from error

    @classmethod
    def json(cls, text: bytes | str) -> AttestationData:
        """The text of a JSON object. It is sent as it is: another spelling has another hash.

        Raises:
            RequestError: It is not a JSON object.
        """
        if isinstance(text, str):
            text = unicode_text(text, "data of type JSON").encode("utf-8")
        return cls(text, AttestationDataType.JSON)

    def to_wire(self) -> dict[str, JsonValue]:
        """The member of a request."""
        return {"data": encode_base64url(self.data), "dataType": self.data_type.value}
