"""The clock, against what this machine has kept: it must not be behind any of it.

That a clock is ahead cannot be seen so: what is kept is older than now, as it should be.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import assay
from assay.audit import parse_line
from assay.errors import AuditError, SettingsError, StoreUnavailableError
from assay.server.assembly import open_store
from assay.server.presence import is_there
from assay.server.settings import Settings

_TOLERANCE: Final = timedelta(minutes=2)
"""Clocks of file servers and of other replicas differ a little."""


def check_clock(settings: Settings, files: Iterable[Path], *, at: datetime) -> str:
    """Check that nothing was written in the future.

    Args:
        settings: Name the store, whose newest record counts if it can be read.
        files: Files of the service; those that are not there do not count.
        at: What the clock says.

    Raises:
        SettingsError: Something was.
    """
    program = Path(assay.__file__)
    instants = {str(path): _modified(path) for path in (program, *files) if is_there(path)}
    recorded = _last_record(settings)
    if recorded is not None:
        instants["the newest audit record"] = recorded
    what, newest = max(instants.items(), key=lambda item: item[1])
    if newest > at + _TOLERANCE:
        raise SettingsError(
            f"the clock says {at:%Y-%m-%dT%H:%M:%SZ}, and {what} was written at "
            f"{newest:%Y-%m-%dT%H:%M:%SZ}; set the clock and have it kept, as with "
            "`timedatectl set-ntp true`"
        )
    return f"{at:%Y-%m-%dT%H:%M:%SZ}, and nothing here is newer"


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _last_record(settings: Settings) -> datetime | None:
    # What is wrong with the store has a line of its own.
    try:
        with open_store(settings) as store, store.snapshot() as snapshot:
            line = snapshot.last_audit_line()
            return None if line is None else parse_line(line)[0].event.at
    except (AuditError, SettingsError, StoreUnavailableError):
        return None
