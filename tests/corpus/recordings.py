"""The recorded attestations of the real service, and the collateral that stands in for theirs.

Intel's documents of July 2021 are not there any more. Those of another vector are of the same
family of platforms, some two years younger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from assay.encoding import decode_base64url
from assay.evidence.format import AttestationType

RECORDED_ATTESTATIONS: Final = "maa/python/*attest_*_enclave.json"
COLLATERAL: Final = "dcap/real/sgx-v3-00906ed50000-SWHardeningNeeded-2"
PERMIT_ALL: Final = "version=1.0; authorizationrules{=> permit();}; issuancerules{};"
"""The policy that the recorded instances had, but for the shared one, which had its default."""

_EVIDENCE_MEMBERS: Final = ("quote", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttestation:
    """One request and its answer."""

    interaction: dict[str, Any]
    body: dict[str, Any]
    """Of the request, with its evidence."""

    @property
    def kind(self) -> AttestationType:
        return AttestationType.SGX_ENCLAVE if "quote" in self.body else AttestationType.OPEN_ENCLAVE

    @property
    def evidence(self) -> bytes:
        return decode_base64url(self.body.get("quote") or self.body["report"], "evidence")

    @property
    def token(self) -> dict[str, Any]:
        """The answer's, as `raw`, `header` and `claims`."""
        token: dict[str, Any] = self.interaction["response_token"]
        return token

    @property
    def claims(self) -> dict[str, Any]:
        claims: dict[str, Any] = self.token["claims"]
        return claims

    @property
    def of_shared_instance(self) -> bool:
        return "shared" in self.claims["iss"]

    @property
    def draft_policy(self) -> str | None:
        return self.body.get("draftPolicyForAttestation")


def read_recording(path: Path) -> Iterator[RecordedAttestation]:
    """The attestations of one recording, in their order."""
    for interaction in json.loads(path.read_bytes())["interactions"]:
        if (
            "/attest/SgxEnclave" in interaction["uri"]
            or "/attest/OpenEnclave" in interaction["uri"]
        ):
            body = dict(interaction["request_body"])
            for name in body.keys() & _EVIDENCE_MEMBERS:
                # Two files hold the evidence of all requests.
                file = path.parent.parent / body[name].removeprefix("<see ").removesuffix(">")
                body[name] = file.read_text().strip()
            yield RecordedAttestation(interaction=interaction, body=body)


def verification_time(vectors: Path) -> int:
    """Unix time at which the collateral holds."""
    seconds: int = json.loads((vectors / COLLATERAL / "vector.json").read_bytes())[
        "verification_time"
    ]
    return seconds
