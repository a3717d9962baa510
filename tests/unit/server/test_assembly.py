from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from assay import clock
from assay.access import Grants, Right, issue_api_token
from assay.endorsements.anchors import intel_sgx_anchors
from assay.errors import SettingsError, StoreUnavailableError
from assay.evidence.format import AttestationType
from assay.keys import SigningAlgorithm
from assay.server.app import Services, create_app
from assay.server.assembly import open_chest, open_services, prepare
from assay.server.settings import KEY_FILE, Settings
from assay.server.settings_reader import load_settings
from assay.service.instance_options import PolicyExplanations
from assay.service.instances import Instance, InstanceKeys
from assay.simulator import save_platform
from assay.store import SERVICE
from tests.conftest import AT
from tests.servers.tls import tls_identity
from tests.serving import (
    VERSION,
    call,
    make_telemetry,
    sgx_request,
    simulated_platform,
)

_DENY: Final = "version= 1.0;authorizationrules{=> deny();};"


def _settings(folder: Path, flags: Mapping[str, object] | None = None) -> Settings:
    # ES256 only because making an RSA key takes long.
    quick = {"instance.token_algorithm": "ES256", "data_dir": folder / "data"}
    return load_settings(environment={}, flags={**quick, **(flags or {})})


def _simulating(folder: Path, **flags: object) -> Settings:
    save_platform(simulated_platform(), folder / "simulator")
    chosen = {"dev": True, "simulator": folder / "simulator", "verify_at": AT.isoformat()}
    return _settings(folder, {**chosen, **flags})


def _open(settings: Settings) -> Services:
    prepare(settings, port=81)
    return open_services(settings, make_telemetry()[0])


def _instance(services: Services) -> Instance:
    entry = services.instances.named(services.default_instance)
    assert entry is not None
    return asyncio.run(services.instances.get(entry))


def _until_published(services: Services, *, count: int) -> InstanceKeys:
    deadline = time.monotonic() + 10
    while len((keys := _instance(services).keys).published) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return keys


def _close(services: Services) -> None:
    async def close() -> None:
        await services.close()

    asyncio.run(close())


_MAX_PATH: Final = os.pathconf("/", "PC_PATH_MAX")
_PROVIDERS: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/assay/providers"
    "/Microsoft.Attestation/attestationProviders"
)


@pytest.mark.parametrize(
    ("flags", "uri", "location"),
    [
        ({}, "http://127.0.0.1:8080/new", "local"),
        (
            {
                "management.attest_uri": "https://{name}.{location}.example",
                "management.locations": ["West US"],
            },
            "https://new.westus.example",
            "West US",
        ),
    ],
)
def test_the_management_plane_is_there_where_it_is_switched_on(
    flags: dict[str, object], uri: str, location: str, tmp_path: Path
) -> None:
    services = _open(_simulating(tmp_path, **{"management.enabled": True}, **flags))
    app = create_app(services)
    version = "?api-version=2021-06-01"
    body = {"location": "westus", "properties": {}}

    made = call(app, "PUT", f"{_PROVIDERS}/new{version}", json=body)
    first = call(app, "GET", f"{_PROVIDERS}/default{version}").json()
    attested = call(
        app,
        "POST",
        f"/attest/SgxEnclave{VERSION}",
        json=sgx_request(),
        headers={"tenantName": "new"},
    )
    _close(services)

    assert made.json()["properties"]["attestUri"] == uri.replace("8080", "81")
    assert made.json()["properties"]["status"] == "Ready"
    assert first["location"] == location
    assert attested.status_code == 200


def test_the_management_plane_is_not_there_otherwise(tmp_path: Path) -> None:
    services = _open(_simulating(tmp_path))
    answer = call(create_app(services), "GET", f"{_PROVIDERS}?api-version=2021-06-01")
    _close(services)

    assert services.management is None
    assert answer.status_code == 404


def test_a_server_with_a_simulator_attests(tmp_path: Path) -> None:
    services = _open(_simulating(tmp_path))

    answer = call(create_app(services), "POST", f"/attest/SgxEnclave{VERSION}", json=sgx_request())
    _close(services)

    assert answer.status_code == 200
    assert _instance(services).issuer == "http://127.0.0.1:81"
    assert services.collateral == "simulator"


def test_the_key_stays_over_restarts(tmp_path: Path) -> None:
    first = _open(_settings(tmp_path))
    second = _open(_settings(tmp_path))
    _close(first)
    _close(second)

    assert _instance(first).keys.active.kid == _instance(second).keys.active.kid


def test_another_algorithm_gets_another_key_which_is_published_before_it_signs(
    tmp_path: Path,
) -> None:
    before = _open(_settings(tmp_path))
    first = _instance(before).keys.active
    _close(before)

    after = _open(_settings(tmp_path, {"instance.token_algorithm": "ES384"}))
    keys = _until_published(after, count=2)
    _close(after)

    assert keys.active.kid == first.kid
    assert [key.algorithm for key in keys.published] == [
        SigningAlgorithm.ES256,
        SigningAlgorithm.ES384,
    ]


def test_the_key_encryption_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    prepare(settings, port=81)
    file = settings.data_dir / KEY_FILE
    made = file.read_bytes()

    prepare(settings, port=81)

    assert len(made) == 32
    assert file.read_bytes() == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not list(settings.data_dir.glob(".*"))


def test_a_lost_key_encryption_key_is_not_replaced(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    prepare(settings, port=81)
    file = settings.data_dir / KEY_FILE
    file.unlink()

    with pytest.raises(SettingsError, match="is gone, and the database beside it"):
        prepare(settings, port=81)

    assert not file.exists()


def test_the_data_directory_is_its_owners_only(tmp_path: Path) -> None:
    settings = _settings(tmp_path)

    prepare(settings, port=81)

    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700


def test_the_key_encryption_key_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(os.urandom(32))
    file.chmod(0o600)
    settings = _settings(tmp_path, {"key_encryption_key_file": file})

    prepare(settings, port=81)

    assert not (settings.data_dir / KEY_FILE).exists()


def test_the_key_encryption_key_may_be_in_the_environment(tmp_path: Path) -> None:
    settings = load_settings(
        environment={"ASSAY_KEY_ENCRYPTION_KEY": "A" * 43},
        flags={"data_dir": tmp_path / "data", "instance.token_algorithm": "ES256"},
    )

    prepare(settings, port=81)

    assert not (settings.data_dir / KEY_FILE).exists()


def test_another_key_encryption_key_stops_the_start(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    prepare(settings, port=81)
    file = settings.data_dir / KEY_FILE
    file.write_bytes(os.urandom(32))

    with pytest.raises(SettingsError, match="did not seal it"):
        prepare(settings, port=81)


def test_settings_become_the_instance(tmp_path: Path) -> None:
    policy = tmp_path / "sgx.policy"
    policy.write_text(_DENY)
    root = tmp_path / "root.pem"
    root.write_bytes(simulated_platform().pki.root_ca.pem)

    services = _open(
        _settings(
            tmp_path,
            {
                "instance.name": "other",
                "instance.public_url": "https://a.example",
                "instance.policy_files.SgxEnclave": policy,
                "instance.policies.OpenEnclave": _DENY + "\n",
                "instance.roots": [root],
                "instance.expired_collateral_grace_hours": 1.5,
                "instance.tcb_claims_in_token": True,
                "instance.policy_explanations": "minimal",
                "collateral.evaluation": 17,
            },
        )
    )
    _close(services)

    definition = _instance(services).definition
    assert (definition.name, definition.issuer) == ("other", "https://a.example")
    assert definition.policies == {
        AttestationType.SGX_ENCLAVE: _DENY,
        AttestationType.OPEN_ENCLAVE: _DENY + "\n",
    }
    assert len(definition.roots) == len(intel_sgx_anchors()) + 1
    assert not any(root.simulated for root in definition.roots)
    assert definition.appraisal.expired_collateral_grace == timedelta(hours=1.5)
    assert definition.appraisal.tcb_claims_in_token
    assert definition.policy_explanations is PolicyExplanations.MINIMAL
    assert _instance(services).policies[AttestationType.SGX_ENCLAVE].evaluation.number == 17
    assert services.collateral.startswith("pcs")


def test_only_the_simulator_s_root_is_trusted_as_simulated(tmp_path: Path) -> None:
    services = _open(_simulating(tmp_path))
    _close(services)

    simulated = [root for root in _instance(services).definition.roots if root.simulated]
    assert len(simulated) == 1


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"instance.roots": ["none.pem"]}, "instance.roots: cannot read none.pem"),
        ({"instance.policy_files.SgxEnclave": "none"}, "policy_files.SgxEnclave: cannot read none"),
        ({"instance.policies.SgxEnclave": "nonsense"}, "the policy for SgxEnclave is not one"),
        ({"dev": True, "simulator": "none"}, "expected a simulated platform in none"),
        ({"key_encryption_key_file": "none"}, "key-encryption key none: cannot read it"),
        ({"database": "nonsense"}, "database URL"),
        ({"collateral.source": "path", "collateral.path": "none"}, "collateral.path"),
        (
            {"collateral.source": "pccs", "collateral.url": "ftp://x.example"},
            "collateral source .pccs.",
        ),
    ],
)
def test_what_is_not_there_stops_the_start(
    flags: Mapping[str, object], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=expected):
        prepare(_settings(tmp_path, flags), port=81)


@pytest.mark.parametrize("case", ["none", "no-pem", "password", "mismatch"])
def test_tls_files_that_cannot_be_used_stop_the_start(case: str, tmp_path: Path) -> None:
    certificate, key = tls_identity("127.0.0.1", at=AT)
    _, other = tls_identity("127.0.0.1", at=AT)
    files = tmp_path / "tls.pem", tmp_path / "tls.key"
    if case != "none":
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(
            {
                "no-pem": b"secret",
                "password": _pem(key, BestAvailableEncryption(b"secret")),
                "mismatch": _pem(other, NoEncryption()),
            }[case]
        )
    settings = _settings(tmp_path, {"tls.certificate": files[0], "tls.key": files[1]})

    with pytest.raises(SettingsError, match=r"tls\.certificate .*tls\.key .* cannot be used: "):
        prepare(settings, port=81)


def _pem(key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_policy_file_that_is_no_text_stops_the_start(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_bytes(b"version\xff")

    with pytest.raises(SettingsError, match="not UTF-8 text: wrong at byte 7"):
        prepare(_settings(tmp_path, {"instance.policy_files.OpenEnclave": policy}), port=81)


def test_a_data_directory_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(SettingsError, match="data_dir: cannot make"):
        prepare(_settings(tmp_path), port=81)


def test_a_key_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    settings.data_dir.mkdir()
    # A link to nowhere: it is not there, and it cannot be made.
    (settings.data_dir / KEY_FILE).symlink_to(tmp_path / "none" / "key")

    with pytest.raises(SettingsError):
        prepare(settings, port=81)


def test_a_database_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    settings = _settings(tmp_path, {"database": f"sqlite:///{tmp_path}/none/assay.sqlite3"})

    with pytest.raises(StoreUnavailableError):
        prepare(settings, port=81)


def test_a_ca_file_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    certificate, key = tls_identity("127.0.0.1", at=AT)
    (tmp_path / "tls.pem").write_bytes(
        certificate.public_bytes(Encoding.PEM) + _pem(key, NoEncryption())
    )
    grant = {"name": "a", "fingerprint": "00" * 32, "rights": ["read"], "instances": ["*"]}
    flags = {
        "tls.certificate": tmp_path / "tls.pem",
        "tls.key": tmp_path / "tls.pem",
        "auth.client_certificates.ca_file": tmp_path / "none.pem",
        "auth.client_certificates.grants": [grant],
    }

    with pytest.raises(SettingsError, match=r"auth\.client_certificates\.ca_file: .*none\.pem"):
        prepare(_settings(tmp_path, flags), port=81)


def test_where_others_call_a_server_needs_somebody_who_may_administer_it(tmp_path: Path) -> None:
    settings = _settings(tmp_path, {"host": "192.0.2.1"})
    at = clock.now()
    ended = issue_api_token(
        "ended",
        Grants.of([Right.READ], ["*"]),
        created_at=at - timedelta(days=2),
        lifetime=timedelta(days=1),
    )
    good = issue_api_token(
        "good", Grants.of([Right.READ], ["*"]), created_at=at, lifetime=timedelta(days=1)
    )
    with open_chest(settings) as chest:
        chest.store.api_tokens.add(ended.token, by=SERVICE)
        with pytest.raises(SettingsError, match="nobody could authenticate"):
            prepare(settings, port=81)
        chest.store.api_tokens.add(good.token, by=SERVICE)
        prepare(settings, port=81)


def test_a_worker_does_not_start_before_the_keys_are_there(tmp_path: Path) -> None:
    settings = _settings(tmp_path)

    with pytest.raises((SettingsError, StoreUnavailableError)):
        open_services(settings, make_telemetry()[0])


def test_a_data_directory_whose_files_cannot_be_looked_for_stops_the_start(tmp_path: Path) -> None:
    # As long a way as the system lets one go: the folder is there, and nothing in it can be.
    detour = tmp_path / "d"
    detour.mkdir()
    while len(str(detour / ".." / "d")) < _MAX_PATH:
        detour = detour / ".." / "d"

    with pytest.raises(SettingsError, match=f"cannot look for .*{KEY_FILE}: File name too long"):
        _open(_settings(tmp_path, {"data_dir": detour}))
