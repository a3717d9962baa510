"""Debian's swtpm for tests: made once, copied for each test, reachable by its own sockets only."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509

from assay.attester.tpm import SocketTransport, TpmDevice

MISSING: Final = "there is no swtpm here; install it: sudo apt-get install swtpm swtpm-tools"

_PROGRAMS: Final = ("swtpm", "swtpm_setup", "swtpm_ioctl", "swtpm_localca")
_START_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Manufactured:
    """A TPM as it leaves the factory: its state, and who certified its endorsement key."""

    state: Path
    authority: Path

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The maker's root, in PEM."""
        return ((self.authority / "swtpm-localca-rootca-cert.pem").read_bytes(),)

    @property
    def intermediates(self) -> tuple[bytes, ...]:
        """What lies below it, in PEM."""
        return ((self.authority / "issuercert.pem").read_bytes(),)


@dataclass(frozen=True, slots=True)
class SoftwareTpm:
    """A running TPM that has not been started up, as firmware finds it."""

    folder: Path

    @property
    def address(self) -> str:
        """The socket that takes commands."""
        return str(self.folder / "server")

    @contextlib.contextmanager
    def device(self) -> Iterator[TpmDevice]:
        """A connection to it. It has one at a time."""
        transport = SocketTransport(self.address)
        try:
            yield TpmDevice(transport)
        finally:
            transport.close()

    def control(self, *arguments: str) -> None:
        """What firmware and the platform's hardware do: `-i` is a reset."""
        _run(["swtpm_ioctl", "--unix", str(self.folder / "control"), *arguments])


def manufacture(folder: Path) -> Manufactured:
    """A new TPM with an endorsement key and its certificate. Takes a second."""
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    authority, state = folder / "authority", folder / "state"
    for part in (authority, state):
        part.mkdir()
    options = folder / "localca.options"
    options.write_text("--platform-manufacturer Assay\n--platform-version 1\n--platform-model t\n")
    localca = folder / "localca.conf"
    localca.write_text(
        f"statedir = {authority}\nsigningkey = {authority}/signkey.pem\n"
        f"issuercert = {authority}/issuercert.pem\ncertserial = {authority}/certserial\n"
    )
    setup = folder / "setup.conf"
    setup.write_text(
        f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
        f"create_certs_tool_config = {localca}\ncreate_certs_tool_options = {options}\n"
    )
    _run(
        [
            "swtpm_setup",
            *("--tpm2", "--tpmstate", f"dir://{state}", "--config", str(setup)),
            *("--createek", "--create-ek-cert", "--lock-nvram"),
            *("--pcr-banks", "sha1,sha256,sha384"),
            # As root it would become another user, which may not write here.
            *(() if os.geteuid() else ("--runas", "root")),
        ]
    )
    return Manufactured(state=state, authority=authority)


@contextlib.contextmanager
def software_tpm(made: Manufactured) -> Iterator[SoftwareTpm]:
    """A TPM of its own, gone at the end with all it kept."""
    # Not in pytest's folders, which are too deep for a socket's name.
    folder = Path(tempfile.mkdtemp(prefix="assay-tpm-"))
    state = folder / "state"
    shutil.copytree(made.state, state)
    (state / ".lock").unlink(missing_ok=True)
    process = subprocess.Popen(  # noqa: S603  Debian's program, arguments of our own
        [  # noqa: S607
            "swtpm",
            *("socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", "not-need-init"),
            *("--server", f"type=unixio,path={folder / 'server'}"),
            *("--ctrl", f"type=unixio,path={folder / 'control'}"),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        _await((folder / "server", folder / "control"), process)
        yield SoftwareTpm(folder)
    finally:
        process.terminate()
        process.wait(timeout=_START_SECONDS)
        shutil.rmtree(folder)


def _await(sockets: Sequence[Path], process: subprocess.Popen[bytes]) -> None:
    started = time.monotonic()
    # Sockets are there a moment before somebody listens to them.
    while not all(_is_listening(path) for path in sockets):
        assert process.poll() is None, "swtpm has ended"
        assert time.monotonic() - started < _START_SECONDS, "swtpm does not start"
        time.sleep(0.005)


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _run(command: Sequence[str]) -> None:
    found = subprocess.run(  # noqa: S603  Debian's programs, arguments of our own
        command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr


def maker_certificates(made: Manufactured) -> tuple[x509.Certificate, ...]:
    """The maker's certificates."""
    return tuple(x509.load_pem_x509_certificate(pem) for pem in (*made.roots, *made.intermediates))
