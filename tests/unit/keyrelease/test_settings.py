from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from assay.errors import SettingsError
from assay.keyrelease.settings import load_broker_file

GOOD: Final = """\
issuer = "https://attest.example"
key_encryption_key_file = "sealing.key"
audit_file = "releases.jsonl"

[secrets.database]
sealed = "database.sealed"
policy = "database.policy"
[secrets.database.require]
mrsigner = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
tcb_status__in = ["UpToDate"]
[secrets.database.claims]
tier = "gold"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "database.policy").write_text(
        "version=1.0; authorizationrules { => permit(); }; issuancerules {};"
    )
    path = tmp_path / "broker.toml"
    path.write_text(GOOD)
    return path


def _refusal(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_broker_file(file).secrets()
    return caught.value.message


def test_paths_are_beside_the_file(file: Path, tmp_path: Path) -> None:
    loaded = load_broker_file(file)
    secret = loaded.secrets()["database"]

    assert loaded.path("releases.jsonl") == tmp_path / "releases.jsonl"
    assert secret.sealed.path == tmp_path / "database.sealed"
    assert secret.sealed.policy_digest == secret.policy.digest
    assert secret.policy.requirements.claims == {
        "x-ms-sgx-mrsigner",
        "x-assay-tcb-status",
        "tier",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("issuer", "isuer"), "isuer"),
        (("mrsigner", "mrsinger"), "did you mean 'mrsigner'"),
        (("database.policy", "none.policy"), "cannot read its policy"),
        (("[secrets.database", '[secrets."../database"'), "a secret's name"),
        (('policy = "database.policy"', "version = 0"), "version"),
        (("audit_file", "port = 70000\naudit_file"), "port"),
        (("audit_file", 'host = "0.0.0.0"\naudit_file'), "set tls.certificate"),
        (("audit_file", 'host = "broker.example"\naudit_file'), "set tls.certificate"),
        (("audit_file", "challenge_seconds = 0\naudit_file"), "challenge_seconds"),
        (("audit_file", "= 1"), "Invalid"),
    ],
)
def test_a_setting_that_does_not_fit_stops_the_start(
    file: Path, change: tuple[str, str], told: str
) -> None:
    assert told in _refusal(file, GOOD.replace(*change))


def test_a_secret_without_rules_stops_the_start(file: Path) -> None:
    head = GOOD.partition('policy = "')[0]

    assert "secrets.database: a secret without rules" in _refusal(file, head)


def test_a_policy_that_is_none_stops_the_start(file: Path, tmp_path: Path) -> None:
    for content in (b"no policy", b"\xff"):
        (tmp_path / "database.policy").write_bytes(content)

        assert "secrets.database" in _refusal(file, GOOD)


def test_settings_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read it"):
        load_broker_file(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError):
        load_broker_file(tmp_path / "binary.toml")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_no_tls_and_others_do(file: Path, host: str) -> None:
    file.write_text(GOOD.replace("audit_file", f'host = "{host}"\naudit_file'))

    assert load_broker_file(file).settings.host == host
    tls = '\n[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'
    file.write_text(GOOD.replace("audit_file", 'host = "::"\naudit_file') + tls)
    assert load_broker_file(file).settings.tls is not None
