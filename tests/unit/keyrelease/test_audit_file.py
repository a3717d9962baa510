from __future__ import annotations

import resource
import stat
from pathlib import Path

import pytest

from assay.audit import AuditEvent, AuditOutcome, verify_export
from assay.errors import AuditError, SettingsError, StoreUnavailableError
from assay.keyrelease.audit_file import AuditFile
from tests.conftest import AT


def _event(target: str = "database") -> AuditEvent:
    return AuditEvent(
        at=AT,
        action="secret.release",
        outcome=AuditOutcome.DONE,
        actor_kind="enclave",
        target=target,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "releases.jsonl"


def _head(path: Path) -> str:
    with path.open("rb") as lines:
        head = verify_export(lines)
    return f"{head.sequence}:{head.digest}"


def test_records_follow_each_other_across_openings(path: Path) -> None:
    for opening in range(3):
        with AuditFile(path) as audit:
            audit.record(_event())
            audit.record(_event("signing"))
            assert audit.head == _head(path)
        assert _head(path).startswith(f"{2 * (opening + 1)}:")


def test_nobody_else_may_read_it(path: Path) -> None:
    with AuditFile(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_record_has_one_writer(path: Path) -> None:
    with AuditFile(path), pytest.raises(SettingsError, match="another process"):
        AuditFile(path)
    with AuditFile(path) as audit:
        audit.record(_event())


def test_a_line_that_a_crash_cut_off_is_taken_away(path: Path) -> None:
    with AuditFile(path) as audit:
        audit.record(_event())
    whole = path.read_bytes()

    for cut in (b'{"action":"sec', whole.removesuffix(b"\n")):
        path.write_bytes(whole + cut)
        with AuditFile(path):
            assert path.read_bytes() == whole
    path.write_bytes(b'{"act')
    with AuditFile(path) as audit:
        audit.record(_event())
    assert path.read_bytes() == whole


@pytest.mark.parametrize("change", ["edited", "removed", "swapped"])
def test_a_record_that_was_changed_stops_the_start(path: Path, change: str) -> None:
    with AuditFile(path) as audit:
        for name in ("a", "b", "c"):
            audit.record(_event(name))
    first, second, third = path.read_bytes().splitlines(keepends=True)
    changed = {
        "edited": (first, second.replace(b'"b"', b'"x"'), third),
        "removed": (first, third),
        "swapped": (second, first, third),
    }
    path.write_bytes(b"".join(changed[change]))

    for _ in range(2):  # The first attempt leaves it as it is, and unlocked.
        with pytest.raises(AuditError):
            AuditFile(path)


def test_what_cannot_be_written_whole_is_not_there_at_all(path: Path) -> None:
    with AuditFile(path) as audit:
        audit.record(_event())
        before = path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        # A file that may not grow is what a full disk is.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
        try:
            with pytest.raises(StoreUnavailableError, match="nothing is released"):
                audit.record(_event())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        audit.record(_event())

    assert _head(path).startswith("2:")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot open"):
        AuditFile(tmp_path / "nothing" / "releases.jsonl")
    with pytest.raises(SettingsError, match="cannot open"):
        AuditFile(tmp_path)
    assert list(tmp_path.iterdir()) == []
