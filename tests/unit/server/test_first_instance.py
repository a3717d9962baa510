from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from assay.errors import SettingsError
from assay.server.first_instance import keep_instance
from assay.server.settings_reader import load_settings
from assay.service.instance_options import read_options
from assay.service.signers import signer_record
from assay.store import InstanceRecord, Store, TrustModel
from tests.administration import ALICE, DENY, add_instance, certify, ec_key, make_record, owner
from tests.conftest import AT

_LATER = AT + timedelta(days=1)


@pytest.fixture
def store(upgraded_sqlite: str) -> Iterator[Store]:
    with closing(Store.open(upgraded_sqlite)) as found:
        yield found


def _keep(store: Store, **flags: object) -> InstanceRecord:
    named = {name.replace("__", "."): value for name, value in flags.items()}
    keep_instance(load_settings(environment={}, flags=named), store, port=81, at=_LATER)
    return store.instances.require(str(named.get("instance.name", "default")))


def test_the_first_start_makes_the_instance(store: Store) -> None:
    record = _keep(store, instance__region="west")

    assert record == InstanceRecord(
        name="default",
        issuer="http://127.0.0.1:81",
        trust_model=TrustModel.AAD,
        region="west",
        created_at=_LATER,
    )


def test_a_start_without_changes_changes_nothing(store: Store) -> None:
    _keep(store)
    before = store.revision()

    _keep(store)

    assert store.revision() == before


def test_a_later_start_brings_it_to_what_is_set(store: Store) -> None:
    _keep(store, instance__region="west")

    record = _keep(store, instance__public_url="https://a.example", instance__compatibility="2021")

    assert record.issuer == "https://a.example"
    assert record.settings == {"compatibility": "2021"}
    assert record.region == "west"
    assert record.updated_at == _LATER
    assert _keep(store, instance__region="east").region == "east"


def test_files_are_kept_with_what_is_in_them(store: Store, tmp_path: Path) -> None:
    pem, der, policy = tmp_path / "root.pem", tmp_path / "root.der", tmp_path / "policy"
    pem.write_bytes(certify(ec_key(1)).public_bytes(Encoding.PEM))
    der.write_bytes(certify(ec_key(2)).public_bytes(Encoding.DER))
    policy.write_text(DENY)

    record = _keep(
        store, instance__roots=[pem, der], **{"instance.policy_files.OpenEnclave": policy}
    )

    options = read_options(record.settings, instance="default")
    assert len(options.roots) == 2
    assert options.policies == {"OpenEnclave": DENY}


@pytest.mark.parametrize("model", ["AAD", "Shared"])
def test_the_trust_model_stays(store: Store, model: str) -> None:
    _keep(store, instance__trust_model=model)
    other = "Shared" if model == "AAD" else "AAD"

    with pytest.raises(SettingsError, match=f"has been {model} since it was made"):
        _keep(store, instance__trust_model=other)

    assert _keep(store).trust_model == model


def test_an_isolated_instance_is_made_beforehand(store: Store) -> None:
    with pytest.raises(SettingsError, match="assay instance create default --trust-model"):
        _keep(store, instance__trust_model="Isolated")

    record = make_record("default", TrustModel.ISOLATED, settings={})
    store.instances.add(record, signers=[signer_record("default", owner(), at=AT, by=ALICE)])

    assert _keep(store, instance__trust_model="Isolated").trust_model is TrustModel.ISOLATED
    assert _keep(store).trust_model is TrustModel.ISOLATED


def test_another_instance_keeps_its_url(store: Store) -> None:
    add_instance(store, make_record("other", issuer="http://127.0.0.1:81"))

    with pytest.raises(SettingsError, match="taken by another instance"):
        _keep(store)
