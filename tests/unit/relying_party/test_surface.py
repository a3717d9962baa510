"""What others build upon: names that stay, and imports that cost little."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from assay import keyrelease, relying_party

_HEAVY: Final = ("asyncio", "httpx2", "starlette", "uvicorn", "sqlalchemy", "fastapi", "grpc")
_PROGRAM: Final = """
import json, sys
import {module}
print(json.dumps([name for name in {heavy} if name in sys.modules]))
"""


def test_the_names_of_the_relying_partys_kit_stay() -> None:
    assert relying_party.__all__ == [
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


def test_the_names_of_key_release_stay() -> None:
    assert keyrelease.__all__ == [
        "MAX_SECRET_BYTES",
        "AttestedKey",
        "ReleaseContext",
        "ReleaseKey",
        "WrapAlgorithm",
        "attested_key",
        "wrap",
    ]


@pytest.mark.parametrize("module", ["assay.relying_party", "assay.keyrelease"])
def test_importing_it_brings_no_server_no_client_and_no_database(module: str) -> None:
    program = _PROGRAM.format(module=module, heavy=_HEAVY)

    done = subprocess.run(  # noqa: S603  this interpreter, a fixed program
        [sys.executable, "-c", program], capture_output=True, check=True
    )

    assert json.loads(done.stdout) == []
