"""PKCS #11 tokens for tests: Debian's SoftHSM, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from assay.keys.pkcs11 import Pkcs11Token, TokenAddress

MISSING: Final = "there is no SoftHSM here; install it: sudo apt-get install softhsm2"
PIN: Final = "pin-7314-of-the-user"

_MODULES: Final = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so")
_VARIABLE: Final = "SOFTHSM2_CONF"


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """Where tokens are, and what makes them."""

    module: Path
    folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def create(self) -> TokenAddress:
        """A new token with nothing in it."""
        label = f"assay {next(self.numbers)}"
        self._run("--init-token", "--free", "--label", label, "--so-pin", "so-pin", "--pin", PIN)
        return TokenAddress(module=self.module, label=label, pin=PIN)

    def import_key(self, address: TokenAddress, key: Path, label: str) -> None:
        """Put a key of a PEM file in PKCS #8 into a token."""
        identifier = f"{next(self.numbers):04x}"
        where = ("--token", address.label, "--pin", address.pin)
        self._run("--import", str(key), *where, "--label", label, "--id", identifier)

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """While every token is away."""
        away = self.tokens.with_name("away")
        self.tokens.rename(away)
        try:
            yield
        finally:
            away.rename(self.tokens)

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def _run(self, *arguments: str) -> None:
        subprocess.run(  # noqa: S603  Debian's program, arguments of our own
            ["softhsm2-util", *arguments],  # noqa: S607  wherever it is installed
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def soft_hsm(folder: Path) -> Iterator[SoftHsm]:
    """SoftHSM with its own settings. Its library is told of them once for the whole process."""
    module = next((Path(one) for one in _MODULES if Path(one).exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    # Without a log: it goes to the machine's.
    settings.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(settings)
    try:
        yield SoftHsm(module=module, folder=folder)
    finally:
        del os.environ[_VARIABLE]
        if before is not None:
            os.environ[_VARIABLE] = before


@contextmanager
def opened(address: TokenAddress) -> Iterator[Pkcs11Token]:
    """A token that is tried again at once after a failure."""
    token = Pkcs11Token(address, rest_seconds=0)
    try:
        yield token
    finally:
        token.close()
