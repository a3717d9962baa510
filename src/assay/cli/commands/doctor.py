"""`assay doctor`: is everything there that a service needs."""

from __future__ import annotations

from assay.cli.options import JsonOption, ServiceSettingsOption


def doctor(*, settings: ServiceSettingsOption = None, as_json: JsonOption = False) -> None:
    """Check what a service needs: a line for each, with its fix.

    Before it starts, while it runs, or when it does not start. Settings, clock, files and their
    modes, disk, database, signing keys, TLS, port, authentication, source of collateral. Nothing
    is changed. With a failed check it ends with code 1.
    """
    from assay import clock
    from assay.cli.checkup_answer import print_results
    from assay.cli.service_start import read_service
    from assay.server.checkup.doctor import examine

    print_results(examine(read_service(settings), at=clock.now()), as_json=as_json)
