"""The relying party's kit: is this token of that service, and does it say what it must?

Not imported here, for what they bring with them: `aio` (verification on an event loop), `signer`
(the service's own evidence), `asgi`, `fastapi` and `grpc`.
"""

from __future__ import annotations

from assay.errors import RequirementError
from assay.relying_party.blocking_keys import BlockingKeySource
from assay.relying_party.demands import TokenDemands
from assay.relying_party.key_files import load_key_set, read_key_set
from assay.relying_party.requirements import Requirement, Requirements, require
from assay.relying_party.token_checks import SignerCheck
from assay.relying_party.verifier import TokenVerifier
from assay.token import KeySet, VerificationKey, VerifiedToken

__all__ = [
    "BlockingKeySource",
    "KeySet",
    "Requirement",
    "RequirementError",
    "Requirements",
    "SignerCheck",
    "TokenDemands",
    "TokenVerifier",
    "VerificationKey",
    "VerifiedToken",
    "load_key_set",
    "read_key_set",
    "require",
]
