"""Starting a broker from the command line, and sealing what it releases."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import msgspec

from assay.cli.render import print_json
from assay.errors import RequestError, SettingsError
from assay.keyrelease.settings import BrokerFile, check_address, load_broker_file
from assay.keys import load_key_encryption_key


def load_broker(file: Path, *, host: str | None, port: int | None) -> BrokerFile:
    """The broker's settings, with the options that outrank them.

    Raises:
        SettingsError: They do not fit, or the web stack is not installed.
    """
    if find_spec("uvicorn") is None:
        raise SettingsError(
            "the broker's libraries are not installed; install Assay with its extra `server`, as "
            "docs/server.md shows"
        )
    loaded = load_broker_file(file)
    given = {"host": host, "port": port}
    changes = {name: value for name, value in given.items() if value is not None}
    settings = msgspec.structs.replace(loaded.settings, **changes)
    check_address(settings, file)
    return BrokerFile(settings=settings, folder=loaded.folder)


def run_broker(file: BrokerFile, *, as_json: bool) -> None:
    """Serve until told to stop.

    Raises:
        SettingsError: The address cannot be had, or a setting names what is not there.
        AuditError: The audit record was changed.
    """
    from assay.keyrelease.serve import serve_broker

    def announce(url: str) -> None:
        if as_json:
            print_json({"url": url})
        else:
            print(f"The broker serves at {url}")
        # Whoever started this reads a pipe, and must not wait for a full buffer.
        print(end="", flush=True)

    serve_broker(file, announce=announce)


def seal_secret(file: Path, name: str, value: bytes) -> Path:
    """Seal a secret's value, and give the file that holds it.

    Raises:
        SettingsError: The settings do not fit.
        RequestError: They have no such secret, or the file cannot be written.
        ReleaseRefusedError: The value is empty or too long.
    """
    loaded = load_broker_file(file)
    secrets = loaded.secrets()
    if name not in secrets:
        known = ", ".join(sorted(secrets)) or "none"
        raise RequestError(f"expected a secret of {file}, which has {known}, got {name!r}")
    key = load_key_encryption_key(loaded.path(loaded.settings.key_encryption_key_file))
    sealed = secrets[name].sealed
    content = sealed.seal(value, key)
    draft = sealed.path.with_name(f".{sealed.path.name}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        draft.replace(sealed.path)
    except OSError as error:
        raise RequestError(f"{sealed.path}: cannot be written: {error.strerror}") from error
    return sealed.path
