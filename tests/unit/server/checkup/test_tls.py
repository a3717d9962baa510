from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay.errors import SettingsError
from assay.server.checkup.tls import check_certificates
from assay.server.settings import Settings
from assay.service.checkup import CheckSkippedError
from tests.administration import certify, ec_key
from tests.conftest import AT
from tests.servers.tls import tls_identity
from tests.unit.server.checkup.conftest import Load

# Of `certify`: a day to both sides.
_BEGIN = AT - timedelta(days=1)
_END = AT + timedelta(days=1)


@pytest.fixture
def settings(load: Load, tmp_path: Path) -> Settings:
    """A server with a certificate, and the CA that it names."""
    key = ec_key()
    certificate = certify(key, "attest.example").public_bytes(Encoding.PEM)
    (tmp_path / "tls.pem").write_bytes(certificate)
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return load(tls__certificate=str(tmp_path / "tls.pem"), tls__key=str(tmp_path / "tls.key"))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (_BEGIN - timedelta(seconds=1), "is valid from .*; set the clock"),
        (_END + timedelta(seconds=1), "ended at .*; renew it"),
        (_BEGIN, "ends at .*, in less than 14 days; renew it"),
        (_END, "ends at .*, in less than 14 days; renew it"),
    ],
)
def test_a_certificate_out_of_date_or_nearly_is_told(
    at: datetime, expected: str, settings: Settings
) -> None:
    with pytest.raises(SettingsError, match=f"'attest.example' {expected}"):
        check_certificates(settings, at=at)


def test_a_certificate_with_time_left_is_in_order(load: Load, tmp_path: Path) -> None:
    certificate, key = tls_identity("127.0.0.1", at=AT)
    (tmp_path / "tls.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    settings = load(tls__certificate=str(tmp_path / "tls.pem"), tls__key=str(tmp_path / "tls.key"))
    end = certificate.not_valid_after_utc

    assert check_certificates(settings, at=AT).endswith(f"in date until {end:%Y-%m-%d}")
    assert check_certificates(settings, at=end - timedelta(days=14))
    with pytest.raises(SettingsError, match="in less than 14 days"):
        check_certificates(settings, at=end - timedelta(days=14) + timedelta(seconds=1))


def test_a_key_of_another_certificate_is_told(settings: Settings) -> None:
    assert settings.tls.key is not None
    settings.tls.key.write_bytes(
        ec_key(1).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )

    with pytest.raises(SettingsError, match="name two PEM files that belong together"):
        check_certificates(settings, at=AT)


def test_a_server_without_tls_has_nothing_to_check(load: Load) -> None:
    with pytest.raises(CheckSkippedError, match="something in front speaks TLS"):
        check_certificates(load(), at=AT)
