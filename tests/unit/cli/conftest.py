from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assay.cli import app
from assay.endorsements.stored import write_stored
from assay.simulator import SimulatedPlatform, openenclave
from tests.conftest import AT
from tests.unit.cli.fake_service import FakeService

RUNTIME_DATA = b'{"key":"value"}'
AT_TEXT = "2026-11-23T12:00:00Z"


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


Run = Callable[..., Outcome]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("ASSAY_COLLATERAL", "ASSAY_URL", "ASSAY_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    runner = CliRunner()

    def invoke(*arguments: object, stdin: bytes | None = None) -> Outcome:
        result = runner.invoke(app, [str(one) for one in arguments], input=stdin)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return invoke


@dataclass(frozen=True)
class Files:
    """A simulated platform's evidence and what it is judged by, as files."""

    folder: Path
    platform: SimulatedPlatform

    @property
    def quote(self) -> Path:
        return self.folder / "quote.bin"

    @property
    def debug_quote(self) -> Path:
        return self.folder / "debug_quote.bin"

    @property
    def report(self) -> Path:
        return self.folder / "report.bin"

    @property
    def collateral(self) -> Path:
        return self.folder / "collateral.json"

    @property
    def root(self) -> Path:
        return self.folder / "root_ca.pem"

    @property
    def runtime_data(self) -> Path:
        return self.folder / "runtime_data.json"

    def judged(self) -> tuple[str, ...]:
        """Options that judge the evidence as of when it was made."""
        return (
            "--collateral",
            str(self.collateral),
            "--root",
            str(self.root),
            "--at",
            AT_TEXT,
        )


@pytest.fixture(scope="session")
def platform() -> SimulatedPlatform:
    return SimulatedPlatform.create(AT)


@pytest.fixture(scope="session")
def files(platform: SimulatedPlatform, tmp_path_factory: pytest.TempPathFactory) -> Files:
    made = Files(tmp_path_factory.mktemp("simulated"), platform)
    digest = sha256(RUNTIME_DATA).digest()
    quote = platform.quote(report_data=digest, isv_svn=3)
    made.quote.write_bytes(quote)
    made.debug_quote.write_bytes(platform.quote(report_data=digest, debug=True))
    made.report.write_bytes(openenclave.legacy_report(quote))
    made.collateral.write_text(json.dumps(write_stored(platform.collateral(AT))))
    made.root.write_bytes(platform.pki.root_ca.pem)
    made.runtime_data.write_bytes(RUNTIME_DATA)
    return made


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as running:
        yield running
