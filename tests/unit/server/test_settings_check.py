from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from assay.errors import SettingsError
from assay.keys import TokenPin
from assay.server.settings_reader import load_settings

_DELEGATED: Final = {
    "keys.custody": "delegated",
    "pkcs11.module": "x.so",
    "pkcs11.token": "x",
    "pkcs11.key": "x",
    "pkcs11.pin_file": "pin",
}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"dev": True, "host": "0.0.0.0"}, "dev serves this machine only"),  # noqa: S104
        ({"simulator": "sim"}, "simulator weakens what tokens mean and needs dev"),
        ({"verify_at": "2026-01-01T00:00:00Z"}, "verify_at weakens what tokens mean"),
        ({"dev": True, "verify_at": "2026-01-01T00:00:00"}, "verify_at has no time zone"),
        ({"instance.public_url": "https://a.example/"}, "set it to 'https://a.example'"),
        ({"instance.public_url": "a.example"}, "not an address of a server"),
        ({"instance.public_url": "ftp://a.example"}, "not an address of a server"),
        ({"instance.public_url": "https://"}, "not an address|ends in a slash"),
        ({"instance.public_url": "https://a.example?x=1"}, "not an address of a server"),
        ({"instance.public_url": "https://a.example#x"}, "not an address of a server"),
        (
            {"dev": True, "simulator": "sim", "collateral.source": "pcs"},
            "simulator brings its own collateral",
        ),
        ({"auth.client_certificates.ca_file": "ca.pem"}, "needs both ca_file"),
        ({"collateral.source": "pccs"}, "collateral.url is not set"),
        ({"management.attest_uri": "https://a.example"}, "would be the URL of every instance"),
        ({"management.attest_uri": "{name}.example"}, "management.attest_uri: .* not an address"),
        ({"management.attest_uri": "https://{name}/"}, "ends in a slash"),
        ({"management.subscription": "x"}, "management.subscription cannot be"),
        ({"management.resource_group": "x."}, "management.resource_group cannot be"),
        ({"management.locations": ["a.b"]}, "management.locations cannot be"),
        ({"collateral.source": "path"}, "collateral.path is not set"),
        ({"tls.key": "key.pem"}, "TLS needs both"),
        ({"tls.certificate": "cert.pem"}, "TLS needs both"),
        ({"instance.name": "certs"}, "has a meaning of its own in addresses"),
        ({"replicas": 2}, "a SQLite file is for the processes of one machine"),
        (
            {
                "replicas": 2,
                "database": "postgresql://a@b/c",
                "instance.public_url": "https://a.example",
            },
            "set key_encryption_key_file, the same for all",
        ),
        ({"database": "postgresql://a@b/c"}, "instance.public_url is not set"),
        ({"database": "nonsense"}, "the database URL does not parse"),
        (
            {"keys.rotation_days": 1, "keys.overlap_hours": 24},
            r"24, and a key signs for 1 days only",
        ),
        ({**_DELEGATED, "keys.rotation_days": 0}, "is for keys of limited life"),
        ({**_DELEGATED, "keys.evidence_command": ["true"]}, "leave one of them out"),
        ({"keys.custody": "token"}, r"pkcs11\.module is not set"),
        ({"pkcs11.token": "x"}, r"pkcs11\.module is not set"),
        ({"pkcs11.module": "x.so"}, r"pkcs11\.token is not set"),
        ({"pkcs11.key": "x"}, r"pkcs11\.module is not set"),
        ({"pkcs11.pin_file": "x"}, r"pkcs11\.module is not set"),
        ({**_DELEGATED, "pkcs11.key": None}, r"pkcs11\.key is not set"),
        ({**_DELEGATED, "pkcs11.pin_file": None}, "needs its PIN from one place"),
        (
            {"instance.policies.SgxEnclave": "x", "instance.policy_files.SgxEnclave": "x"},
            "are both set",
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused(
    flags: Mapping[str, object], expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        load_settings(environment={}, flags=flags)


def test_several_servers_with_all_they_need_are_in_order() -> None:
    settings = load_settings(
        environment={},
        flags={
            "replicas": 2,
            "database": "postgresql://a@b/c",
            "instance.public_url": "https://a.example",
            "key_encryption_key_file": "key",
        },
    )

    assert settings.replicas == 2


def test_two_key_encryption_keys_are_refused() -> None:
    with pytest.raises(SettingsError, match="are both set"):
        load_settings(
            environment={"ASSAY_KEY_ENCRYPTION_KEY": "A" * 43},
            flags={"key_encryption_key_file": "key"},
        )


@pytest.mark.parametrize(
    "flags",
    [
        {"dev": True, "simulator": "sim", "verify_at": "2026-01-01T00:00:00+01:00"},
        {"host": "0.0.0.0"},  # noqa: S104
        {"collateral.source": "pccs", "collateral.url": "https://pccs.example"},
        {"collateral.source": "path", "collateral.path": "folder"},
        {"tls.certificate": "cert.pem", "tls.key": "key.pem"},
        {"instance.public_url": "https://a.example/prefix"},
        {"management.attest_uri": "https://{name}.{location}.a.example"},
    ],
)
def test_values_that_go_together_pass(flags: Mapping[str, object]) -> None:
    settings = load_settings(environment={}, flags=flags)

    assert set(settings.origins) == set(flags)


def test_a_token_with_all_it_needs_is_in_order() -> None:
    settings = load_settings(environment={}, flags=_DELEGATED)

    assert settings.pkcs11.key == "x"


def test_a_pin_comes_from_one_place() -> None:
    environment = {"ASSAY_PKCS11_PIN": "1234"}
    with pytest.raises(SettingsError, match="needs its PIN from one place"):
        load_settings(environment=environment, flags=_DELEGATED)

    settings = load_settings(environment=environment, flags={**_DELEGATED, "pkcs11.pin_file": None})

    assert settings.pkcs11.pin == TokenPin("1234")
    assert "1234" not in repr(settings)


def test_a_pin_may_not_stand_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "assay.toml"
    file.write_text('[pkcs11]\npin = "7314"\n')

    with pytest.raises(SettingsError, match="ASSAY_PKCS11_PIN, or name a file") as caught:
        load_settings(file=file, environment={})

    assert "7314" not in str(caught.value)
