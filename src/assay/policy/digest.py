"""The hash by which tokens name their policy.

Source: MAA policy semantics, section 9.
"""

from __future__ import annotations

import hashlib

from assay.encoding import encode_base64url
from assay.errors import PolicyError


def policy_hash(text: str) -> str:
    """`x-ms-policy-hash`: SHA-256 over the base64url of the text's UTF-8, in base64url.

    White space, comments and line ends count; whether the policy was signed does not.

    Raises:
        PolicyError: The text is not Unicode: it has half of a surrogate pair.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise PolicyError(
            f"expected Unicode text, got half of a surrogate pair at character {error.start}"
        ) from error
    return encode_base64url(hashlib.sha256(encode_base64url(data).encode("ascii")).digest())
