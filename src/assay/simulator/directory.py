"""A simulated platform as files, so that processes share one root and one machine.

| file | content |
|---|---|
| `root_ca.pem` | the root certificate, for whoever has to trust it |
| `platform.json` | the settings |
| `certificates/<name>.pem` | one certificate each |
| `keys/<name>.pem` | one private key each, readable by their owner only |

Collateral is not kept: it is made from the keys for the moment it is asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from assay.errors import SettingsError
from assay.simulator.pki import Authority, Holder, PrivateKey, SimulatedPki
from assay.simulator.settings import PlatformSettings
from assay.simulator.sgx import SimulatedPlatform

ROOT_FILE: Final = "root_ca.pem"

_SETTINGS_FILE: Final = "platform.json"
_KEYS: Final = "keys"
_CERTIFICATES: Final = "certificates"
_PCK: Final = "pck"
_ATTESTATION: Final = "attestation"


def save_platform(platform: SimulatedPlatform, directory: Path) -> None:
    """Write `platform` to `directory`, which is made where it is missing.

    Raises:
        OSError: A file cannot be written.
    """
    keys, certificates = directory / _KEYS, directory / _CERTIFICATES
    for folder in (keys, certificates):
        folder.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    for name, holder in _holders(platform).items():
        (certificates / f"{name}.pem").write_bytes(holder.pem)
        _write_key(keys / f"{name}.pem", holder.key)
    _write_key(keys / f"{_ATTESTATION}.pem", platform.attestation_key)
    settings = msgspec.json.format(msgspec.json.encode(platform.settings))
    (directory / _SETTINGS_FILE).write_bytes(settings + b"\n")
    (directory / ROOT_FILE).write_bytes(platform.pki.root_ca.pem)


def load_platform(directory: Path) -> SimulatedPlatform:
    """The platform that `save_platform` wrote to `directory`.

    Raises:
        SettingsError: A file is missing or holds something else.
    """
    try:
        return _load(directory)
    except (OSError, ValueError, TypeError, msgspec.DecodeError) as error:
        raise SettingsError(
            f"expected a simulated platform in {directory}, got: {error}; `assay simulate sgx "
            "--platform DIR --out FILE` makes one in a new or an empty folder"
        ) from error


def _load(directory: Path) -> SimulatedPlatform:
    settings = msgspec.json.decode((directory / _SETTINGS_FILE).read_bytes(), type=PlatformSettings)
    authorities = {
        authority.value: _read_holder(directory, authority.value) for authority in Authority
    }
    return SimulatedPlatform(
        settings=settings,
        pki=SimulatedPki(created_at=settings.created_at, **authorities),
        pck=_read_holder(directory, _PCK),
        attestation_key=_read_key(directory / _KEYS / f"{_ATTESTATION}.pem"),
    )


def _holders(platform: SimulatedPlatform) -> dict[str, Holder]:
    authorities = {authority.value: platform.pki.holder(authority) for authority in Authority}
    return authorities | {_PCK: platform.pck}


def _read_holder(directory: Path, name: str) -> Holder:
    certificate = (directory / _CERTIFICATES / f"{name}.pem").read_bytes()
    return Holder(
        key=_read_key(directory / _KEYS / f"{name}.pem"),
        certificate=x509.load_pem_x509_certificate(certificate),
    )


def _read_key(file: Path) -> PrivateKey:
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file.name}: expected an elliptic-curve key")
    return key


def _write_key(file: Path, key: PrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # Nobody else may read the file at any moment, so its mode is part of its making.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)
