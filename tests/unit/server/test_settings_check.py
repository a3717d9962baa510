from __future__ import annotations

from collections.abc import Mapping

import pytest

from assay.errors import SettingsError
from assay.server.settings_reader import load_settings


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
