from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay.endorsements.platform import PckCa
from assay.endorsements.tcb import TcbStatus
from assay.errors import SettingsError
from assay.simulator import SimulatedPlatform, load_platform, save_platform
from assay.simulator.directory import ROOT_FILE


@pytest.mark.parametrize("ca", list(PckCa))
def test_a_platform_is_the_same_after_it_was_saved(at: datetime, tmp_path: Path, ca: PckCa) -> None:
    platform = SimulatedPlatform.create(
        at, ca=ca, status=TcbStatus.OUT_OF_DATE, root_crl_revoked=(2**100,)
    )

    save_platform(platform, tmp_path)
    loaded = load_platform(tmp_path)

    assert loaded.settings == platform.settings
    assert loaded.quote(report_data=b"data") == platform.quote(report_data=b"data")
    assert loaded.collateral(at) == platform.collateral(at)
    assert loaded.anchors == platform.anchors


def test_the_root_is_there_for_whoever_has_to_trust_it(
    platform: SimulatedPlatform, tmp_path: Path
) -> None:
    save_platform(platform, tmp_path / "new" / "folder")

    assert (tmp_path / "new" / "folder" / ROOT_FILE).read_bytes() == platform.pki.root_ca.pem


def test_keys_are_their_owner_s_alone(platform: SimulatedPlatform, tmp_path: Path) -> None:
    save_platform(platform, tmp_path)

    keys = list((tmp_path / "keys").iterdir())
    assert len(keys) == 6
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_saving_twice_keeps_the_last(
    platform: SimulatedPlatform, at: datetime, tmp_path: Path
) -> None:
    other = SimulatedPlatform.create(at)

    save_platform(platform, tmp_path)
    save_platform(other, tmp_path)

    assert load_platform(tmp_path).quote() == other.quote()


def _remove_key(folder: Path) -> None:
    (folder / "keys" / "pck.pem").unlink()


def _other_algorithm(folder: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "keys" / "pck.pem").write_bytes(pem)


def _bad_certificate(folder: Path) -> None:
    (folder / "certificates" / "root_ca.pem").write_bytes(b"garbage")


def _bad_settings(folder: Path) -> None:
    (folder / "platform.json").write_bytes(b'{"created_at": 1}')


@pytest.mark.parametrize("damage", [_remove_key, _other_algorithm, _bad_certificate, _bad_settings])
def test_a_damaged_folder_is_refused_by_name(
    platform: SimulatedPlatform, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    save_platform(platform, tmp_path)
    damage(tmp_path)

    with pytest.raises(SettingsError, match=tmp_path.name):
        load_platform(tmp_path)


def test_a_folder_without_a_platform_is_refused_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"assay simulate sgx --platform DIR .* makes one"):
        load_platform(tmp_path)
