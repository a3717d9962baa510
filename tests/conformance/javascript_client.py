"""The original service's client from npm, unmodified, in a Node.js process of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.administration import DENY, PERMIT
from tests.servers.three_instances import MODELS, RUNTIME_DATA, Signer, ThreeInstances

MISSING: Final = "there is no Node.js with npm here; install them: sudo apt-get install nodejs npm"

_FOLDER: Final = Path(__file__).parent / "js"
_INSTALLED: Final = _FOLDER / "node_modules" / ".assay-lock"
_TIMEOUT_SECONDS: Final = 100


@dataclass(frozen=True, slots=True)
class Rows:
    """What each row gave, once all have been run."""

    rows: dict[str, dict[str, Any]]

    def value(self, name: str) -> Any:  # noqa: ANN401  what the row is about
        """What a row gave; members that JavaScript left undefined are not there."""
        found = self.rows[name]
        assert "error" not in found, found["error"]
        return found.get("value")

    def error(self, name: str) -> dict[str, Any]:
        """What a row threw."""
        found = self.rows[name]
        assert "error" in found, found
        error: dict[str, Any] = found["error"]
        return error


def run_rows(server: ThreeInstances) -> Rows:
    """All rows against a server: one process, since starting one takes longer than a row."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    _install(npm)
    done = subprocess.run(  # noqa: S603  Node.js, a script of our own
        [node, "rows.mjs"],
        cwd=_FOLDER,
        env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(server.ca_file)},
        input=json.dumps(_given(server)),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Rows(json.loads(done.stdout))


def _install(npm: str) -> None:
    """Once for each lock; as `.venv`, it stays for the next run."""
    lock = hashlib.sha256((_FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if _INSTALLED.exists() and _INSTALLED.read_text() == lock:
        return
    done = subprocess.run(  # noqa: S603  npm, no package runs scripts of its own
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _INSTALLED.write_text(lock)


def _given(server: ThreeInstances) -> dict[str, Any]:
    signers = {
        "owner": server.owner,
        "stranger": server.stranger,
        "ec": server.ec_stranger,
        "successor": server.successor,
    }
    return {
        "instances": {name: server.url(name) for name in MODELS},
        "token": server.token(),
        "strangersToken": server.issuer.token("stranger"),
        "quote": _base64(server.quote),
        "report": _base64(server.report),
        "runtimeData": _base64(RUNTIME_DATA),
        "permit": PERMIT,
        "deny": DENY,
        "signers": {name: _signer(signer) for name, signer in signers.items()},
    }


def _signer(signer: Signer) -> dict[str, str]:
    return {"key": signer.key_pem, "certificate": signer.certificate_pem}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
