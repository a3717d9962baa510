"""Everything that a service needs, looked at in one go: each check has a line of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from assay import clock
from assay.errors import AssayError
from assay.server.assembly import open_store
from assay.server.auth.assembly import open_authorizer
from assay.server.auth.settings_check import check_start
from assay.server.checkup.clock import check_clock
from assay.server.checkup.files import check_disk, check_modes, check_owner, guarded_files
from assay.server.checkup.network import check_collateral, check_port
from assay.server.checkup.store import key_opener
from assay.server.checkup.tls import check_certificates
from assay.server.first_instance import check_instance_files
from assay.server.settings import Settings
from assay.server.settings_reader import SettingsReading
from assay.service.checkup import CheckOutcome, CheckResult, CheckSkippedError, run_check
from assay.service.store_check import check_keys
from assay.store import HEAD

CHECKS: Final = (
    "settings",
    "clock",
    "user",
    "modes",
    "disk",
    "database",
    "keys",
    "tls",
    "port",
    "authentication",
    "collateral",
)
"""What is looked at, in the order of the lines."""

_SETTINGS: Final = CHECKS[0]
_SEE_SETTINGS: Final = "see docs/server.md, and `assay config validate`"


def examine(reading: SettingsReading, *, at: datetime) -> tuple[CheckResult, ...]:
    """Look at everything. Nothing is made, upgraded or changed.

    Args:
        reading: The service's settings; of settings that do not fit nothing else can be said.
        at: What the clock says.
    """
    if reading.settings is None:
        return tuple(
            run_check(_SETTINGS, partial(_raise, problem), remedy=_SEE_SETTINGS)
            for problem in reading.problems
        )
    settings = reading.settings
    files = guarded_files(reading, settings)
    checks: dict[str, tuple[Callable[[], str], str]] = {
        _SETTINGS: (lambda: _check_settings(reading, settings), _SEE_SETTINGS),
        "clock": (
            lambda: check_clock(settings, (file.path for file in files), at=at),
            "set the clock",
        ),
        "user": (lambda: check_owner(settings, user=os.geteuid()), "run it as the service's user"),
        "modes": (lambda: check_modes(files), "close the files to others"),
        "disk": (lambda: check_disk(settings), "free space"),
        "database": (lambda: _check_database(settings), "see `assay db check`"),
        "tls": (lambda: check_certificates(settings, at=at), "renew the certificate"),
        "port": (lambda: check_port(settings), "set another port"),
        "authentication": (lambda: _check_authentication(settings), _SEE_SETTINGS),
        "collateral": (
            lambda: check_collateral(settings, at=at),
            "check the address, the network and the proxy",
        ),
    }
    found = {name: run_check(name, check, remedy=fix) for name, (check, fix) in checks.items()}
    found["keys"] = _keys(settings, found["database"])
    return tuple(found[name] for name in CHECKS)


def _raise(problem: AssayError) -> str:
    raise problem


def _check_settings(reading: SettingsReading, settings: Settings) -> str:
    check_instance_files(settings)
    return f"{len(reading.given)} are set, and the policies and roots that they name can be read"


def _check_database(settings: Settings) -> str:
    with open_store(settings) as store:
        store.check()
    return f"it answers, with schema revision {HEAD}"


def _keys(settings: Settings, database: CheckResult) -> CheckResult:
    if database.outcome is not CheckOutcome.OK:
        return CheckResult(
            name="keys", outcome=CheckOutcome.SKIPPED, says="they are in the database"
        )
    with (
        open_store(settings) as store,
        key_opener(settings) as opener,
        store.snapshot() as snapshot,
    ):
        return check_keys(snapshot, opener)


def _check_authentication(settings: Settings) -> str:
    has_api_tokens = False
    try:
        with open_store(settings) as store:
            has_api_tokens = store.api_tokens.any_valid(at=clock.now())
    except AssayError as error:
        # What is wrong with the store has a line of its own.
        if not settings.auth.configured:
            raise CheckSkippedError("API tokens are in the database") from error
    check_start(settings.auth, host=settings.host, has_api_tokens=has_api_tokens)
    authorizer = open_authorizer(settings.auth, api_tokens=None, dev=settings.dev, now=clock.now)
    asyncio.run(authorizer.close())
    return "a server may start with it at this address"
