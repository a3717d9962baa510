"""What a database's failures mean, in the operator's words."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

PRIMARY_CODE: Final = 0xFF
"""The part of a SQLite error code that names its kind; the rest tells where it came from."""

_SQLITE_REASONS: Final = {
    sqlite3.SQLITE_BUSY: (
        "another process held its lock for too long",
        "stop what keeps it open, such as a backup or a shell, and try again",
    ),
    sqlite3.SQLITE_READONLY: (
        "it is read-only",
        "make the file and its folder writable for the user that the service runs as",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it cannot be opened",
        "create its folder and make it writable for the user that the service runs as",
    ),
    sqlite3.SQLITE_FULL: ("its disk is full", "free space or enlarge the volume"),
    sqlite3.SQLITE_IOERR: ("its disk failed to read or write", "check the volume and its quota"),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", "restore a backup"),
    sqlite3.SQLITE_NOTADB: (
        "the file is not a database of SQLite",
        "name another file, or restore a backup",
    ),
    sqlite3.SQLITE_PERM: ("access was denied", "give the service's user access to the file"),
}

_UNREACHABLE: Final = (
    "it cannot be reached, or closed the connection",
    "check that it runs and that the address in `database` is right",
)

# By SQLSTATE, or its class of two characters. Source: PostgreSQL 15, appendix A.
_POSTGRESQL_REASONS: Final = {
    "08": _UNREACHABLE,
    "28": ("it refused the user or the password", "correct the ones in `database`"),
    "3D000": ("there is no database of that name", "create it, or correct the one in `database`"),
    "42501": ("the user may not do this", "grant the service's user the database's tables"),
    "53100": ("its disk is full", "free space or enlarge the volume"),
    "53300": (
        "it has no connection left",
        "raise its max_connections, or lower `database_connections` or `workers`",
    ),
    "25006": ("it is read-only", "name the primary server in `database`"),
    "55P03": (
        "another session held its lock for too long",
        "stop what keeps it, such as a migration or a shell, and try again",
    ),
    "57": ("it is starting or shutting down, or ended the query", "try again when it runs"),
}


def failure_reason(error: Any) -> tuple[str, str]:  # noqa: ANN401  each driver has its own
    """Why the database did not do it, and what the operator can do."""
    if hasattr(error, "sqlite_errorcode"):
        known = _SQLITE_REASONS.get(error.sqlite_errorcode & PRIMARY_CODE)
    elif hasattr(error, "sqlstate"):
        known = _postgresql_reason(error.sqlstate)
    else:
        known = None
    return known or (
        f"{type(error).__name__}: {error}",
        "upgrade its schema if that was never done, or see the database's own log",
    )


def _postgresql_reason(state: str | None) -> tuple[str, str] | None:
    # Without a state the driver itself failed: it never reached the server, or lost it.
    if state is None:
        return _UNREACHABLE
    return _POSTGRESQL_REASONS.get(state) or _POSTGRESQL_REASONS.get(state[:2])
