from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.appraisal import Compatibility
from assay.endorsements.tcb import TcbStatus
from assay.errors import SettingsError
from assay.keys import KeyEncryptionKey, SigningAlgorithm
from assay.server.settings import CollateralKind, Origin, Settings
from assay.server.settings_reader import load_settings, setting_types, variable_name

_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def _load(text: str, tmp_path: Path, **more: Mapping[str, object]) -> Settings:
    file = tmp_path / "assay.toml"
    file.write_text(text)
    environment = {str(name): str(value) for name, value in more.get("environment", {}).items()}
    return load_settings(file=file, environment=environment, flags=more.get("flags", {}))


def _refusal(text: str, tmp_path: Path, **more: Mapping[str, object]) -> str:
    with pytest.raises(SettingsError) as caught:
        _load(text, tmp_path, **more)
    return caught.value.message


def test_defaults_need_no_file_and_no_variable() -> None:
    settings = load_settings(environment={})

    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.instance.token_algorithm is SigningAlgorithm.RS256
    assert settings.origins == {}


def test_a_file_sets_values_of_every_kind(tmp_path: Path) -> None:
    settings = _load(
        """
        port = 8443
        metrics = true
        verify_at = 2026-01-31T12:00:00Z
        dev = true

        [instance]
        token_algorithm = "ES256"
        compatibility = "2021"
        accepted_tcb = ["UpToDate"]
        roots = ["extra.pem", "/etc/root.pem"]

        [instance.policies]
        SgxEnclave = "version= 1.0;"

        [collateral]
        source = "thim"
        evaluation = 17
        """,
        tmp_path,
    )

    assert settings.port == 8443
    assert settings.metrics
    assert settings.verify_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert settings.instance.token_algorithm is SigningAlgorithm.ES256
    assert settings.instance.compatibility is Compatibility.Y2021
    assert settings.instance.accepted_tcb == {TcbStatus.UP_TO_DATE}
    assert settings.instance.policies.sgx_enclave == "version= 1.0;"
    assert settings.collateral.source is CollateralKind.THIM
    assert settings.collateral.evaluation == 17


def test_relative_paths_in_a_file_start_from_its_folder(tmp_path: Path) -> None:
    settings = _load('[instance]\nroots = ["extra.pem", "/etc/root.pem"]', tmp_path)

    assert settings.instance.roots == (tmp_path / "extra.pem", Path("/etc/root.pem"))


def test_the_environment_outranks_the_file_and_flags_outrank_both(tmp_path: Path) -> None:
    settings = _load(
        'port = 1\nworkers = 2\nhost = "::1"',
        tmp_path,
        environment={"ASSAY_PORT": "3", "ASSAY_WORKERS": "4"},
        flags={"port": 5},
    )

    assert (settings.host, settings.workers, settings.port) == ("::1", 4, 5)
    assert settings.origins == {
        "host": Origin.FILE,
        "workers": Origin.ENVIRONMENT,
        "port": Origin.FLAG,
    }


def test_the_environment_gives_text_numbers_switches_and_lists() -> None:
    settings = load_settings(
        environment={
            "ASSAY_METRICS": "true",
            "ASSAY_INSTANCE_ACCEPTED_TCB": "UpToDate, OutOfDate",
            "ASSAY_INSTANCE_ROOTS": "a.pem,b.pem",
            "ASSAY_LIMITS_BODY_BYTES": "2048",
            "ASSAY_INSTANCE_POLICIES_SGXENCLAVE": "version= 1.0;",
            "PATH": "/bin",
        }
    )

    assert settings.metrics
    assert settings.instance.accepted_tcb == {TcbStatus.UP_TO_DATE, TcbStatus.OUT_OF_DATE}
    assert settings.instance.roots == (Path("a.pem"), Path("b.pem"))
    assert settings.limits.body_bytes == 2048
    assert settings.instance.policies.sgx_enclave == "version= 1.0;"


def test_a_variable_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "assay.toml"
    file.write_text("port = 9")

    settings = load_settings(environment={"ASSAY_SETTINGS": str(file)})

    assert settings.port == 9


def test_the_key_encryption_key_comes_from_the_environment_and_is_not_shown() -> None:
    settings = load_settings(environment={"ASSAY_KEY_ENCRYPTION_KEY": _KEY})

    assert settings.key_encryption_key == KeyEncryptionKey(bytes(range(32)))
    assert _KEY not in repr(settings)
    assert str(bytes(range(32))) not in repr(settings)


def test_the_key_encryption_key_may_not_stand_in_the_file(tmp_path: Path) -> None:
    message = _refusal(f'key_encryption_key = "{_KEY}"', tmp_path)

    assert "ASSAY_KEY_ENCRYPTION_KEY" in message
    assert _KEY not in message


def test_a_bad_key_encryption_key_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment={"ASSAY_KEY_ENCRYPTION_KEY": "hunter2hunter2"})

    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prot = 1", "no setting 'prot'; did you mean 'port'?"),
        ("[instance]\npublic_uri = 'x'", "did you mean 'instance.public_url'?"),
        ("[instance.policies]\nsgxenclave = 'x'", "did you mean 'instance.policies.SgxEnclave'?"),
        ("qqqqqq = 1", "docs/server.md lists them all"),
        ("instance = 1", "no setting 'instance'"),
        ("port = '80'", "port cannot be '80': expected `int`, got `str`"),
        ("port = 65536", "port cannot be 65536: expected `int` <= 65535"),
        ("workers = 0", "workers cannot be 0"),
        ("dev = 1", "dev cannot be 1: expected `bool`, got `int`"),
        ("data_dir = 1", "data_dir cannot be 1: expected text"),
        ("[instance]\nname = 'a b'", "instance.name cannot be 'a b'"),
        ("[instance]\naccepted_tcb = ['Good']", "value 'Good'; there are UpToDate, SWHardening"),
        ("[collateral]\nsource = 'intel'", "value 'intel'; there are pcs, pccs, thim, path"),
        ("[collateral]\nevaluation = 'newest'", "collateral.evaluation cannot be 'newest'"),
        ("[collateral]\nevaluation = 0", "collateral.evaluation cannot be 0"),
        ("port = ", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_cause(text: str, expected: str, tmp_path: Path) -> None:
    message = _refusal(text, tmp_path)

    assert expected in message
    assert "assay.toml" in message


def test_an_address_that_may_hold_a_password_is_not_repeated(tmp_path: Path) -> None:
    message = _refusal('database = ["postgresql://assay:hunter2@db/assay"]', tmp_path)

    assert "assay.toml, line 1: database cannot be the value that is given" in message
    assert "hunter2" not in message


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean 'ASSAY_PORT'"):
        load_settings(environment={"ASSAY_PROT": "1"})


def test_a_wrong_variable_is_named_in_the_refusal() -> None:
    with pytest.raises(SettingsError, match="environment variable ASSAY_PORT: port cannot be 'x'"):
        load_settings(environment={"ASSAY_PORT": "x"})


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean 'port'"):
        load_settings(environment={}, flags={"prot": 1})


def test_a_wrong_flag_is_named_in_the_refusal() -> None:
    with pytest.raises(
        SettingsError, match=r"command line: instance\.public_url cannot be 1: expected"
    ):
        load_settings(environment={}, flags={"instance.public_url": 1})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read it: No such file"):
        load_settings(file=tmp_path / "none.toml", environment={})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "assay.toml"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings(file=file, environment={})


def test_the_variables_of_other_tools_are_no_settings() -> None:
    settings = load_settings(environment={"ASSAY_VECTORS": "/somewhere", "ASSAY_SETTINGS": ""})

    assert settings.origins == {}


def test_every_setting_has_a_variable_of_its_own() -> None:
    names = list(setting_types())

    assert len({variable_name(name) for name in names}) == len(names)
