from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.jwk import ECKey, RSAKey, import_key

from assay.keys import key_id
from tests.unit.cli.conftest import Run

_QUICK = ("--token-algorithm", "ES256")


@pytest.fixture(autouse=True)
def instance(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    assert run("instance", "create", "one", *_QUICK).exit_code == 0


def _json(run: Run, *arguments: str) -> dict[str, Any]:
    outcome = run("key", *arguments, "--json")
    assert outcome.exit_code == 0, outcome.err
    answer: dict[str, Any] = json.loads(outcome.out)
    return answer


def _states(run: Run, name: str = "one") -> list[str]:
    return [key["state"] for key in _json(run, "list", name)["keys"]]


def test_the_keys_of_all_instances_are_listed(run: Run) -> None:
    run("instance", "create", "another", *_QUICK, "--rotation-days", "0")

    another, one = _json(run, "list")["keys"]

    assert (one["instance"], one["state"], one["custody"]) == ("one", "active", "software")
    assert one["next_at"] > one["created_at"]
    assert another["next_at"] is None


def test_people_read_what_each_key_waits_for(run: Run) -> None:
    run("key", "rotate", "one")

    active, prepared = run("key", "list").out.splitlines()

    assert "ES256  software  active    successor from 20" in active
    assert "ES256  software  prepared  signs from 20" in prepared


def test_a_key_that_waits_for_nothing_says_nothing(run: Run) -> None:
    run("instance", "create", "another", *_QUICK, "--rotation-days", "0")

    assert run("key", "list", "another").out.endswith("active\n")


def test_without_instances_there_is_nothing_to_list(run: Run) -> None:
    run("instance", "delete", "one", "--yes")

    assert run("key", "list").out == ""


def test_an_instance_that_is_not_there_has_no_keys(run: Run) -> None:
    for command in (("list",), ("rotate",), ("rotate", "--now"), ("export-public",)):
        outcome = run("key", command[0], "none", *command[1:])

        assert outcome.exit_code == 2
        assert "there is no instance 'none'" in outcome.err


def test_a_rotated_key_is_published_and_waits(run: Run) -> None:
    made = _json(run, "rotate", "one")

    assert made["state"] == "prepared"
    assert made["next_at"] > made["created_at"]
    assert _states(run) == ["active", "prepared"]


def test_a_second_rotation_says_to_wait(run: Run) -> None:
    run("key", "rotate", "one")

    outcome = run("key", "rotate", "one")

    assert outcome.exit_code == 2
    assert "has a prepared key already" in outcome.err


def test_a_compromised_key_is_replaced_only_where_that_is_meant(run: Run) -> None:
    before = _json(run, "list", "one")

    outcome = run("key", "rotate", "one", "--now")

    assert outcome.exit_code == 2
    assert "--now drops all 1 present keys of instance 'one'" in outcome.err
    assert _json(run, "list", "one") == before


def test_a_compromised_key_is_replaced(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    [before] = _json(run, "list", "one")["keys"]

    replaced = _json(run, "rotate", "one", "--now", "--yes")

    [left] = _json(run, "list", "one")["keys"]
    assert (left["kid"], left["state"]) == (replaced["kid"], "active")
    assert replaced["dropped"] == [before["kid"]]
    assert waited == [5.0]


def test_who_rotates_is_in_the_audit_record(run: Run) -> None:
    run("key", "rotate", "one")

    *_, line = run("audit", "export").out.splitlines()

    record = json.loads(line)
    assert (record["action"], record["actor"]["kind"]) == ("key.add", "operator")
    assert record["details"] == {"custody": "software", "state": "prepared"}


def test_the_first_key_of_an_instance_is_in_the_audit_record(run: Run) -> None:
    created, added = map(json.loads, run("audit", "export").out.splitlines())

    assert (created["action"], added["action"]) == ("instance.create", "key.add")
    assert added["target"] == _json(run, "list", "one")["keys"][0]["kid"]


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_every_form_has_the_same_key(run: Run, algorithm: str) -> None:
    run("instance", "create", "two", "--token-algorithm", algorithm)
    [listed] = _json(run, "list", "two")["keys"]

    pem, jwk, chain = (
        run("key", "export-public", "two", "--form", form).out for form in ("pem", "jwk", "chain")
    )

    public = load_pem_public_key(pem.encode())
    [certificate] = x509.load_pem_x509_certificates(chain.encode())
    members = json.loads(jwk)
    asymmetric = import_key(members)
    assert isinstance(asymmetric, ECKey | RSAKey)
    assert key_id(public) == listed["kid"] == members["kid"]  # type: ignore[arg-type]
    assert certificate.public_key() == public
    assert asymmetric.as_pem(private=False) == pem.encode()
    assert members["alg"] == algorithm
    assert "d" not in members


@pytest.mark.parametrize("form", ["pem", "jwk", "chain"])
def test_every_form_is_there_as_json(run: Run, form: str) -> None:
    answer = _json(run, "export-public", "one", "--form", form)

    assert set(answer) == {"instance", "kid", "algorithm", form}


def test_a_key_is_chosen_by_its_identifier(run: Run) -> None:
    made = _json(run, "rotate", "one")

    assert _json(run, "export-public", "one", "--kid", made["kid"])["kid"] == made["kid"]
    assert _json(run, "export-public", "one")["kid"] != made["kid"]


def test_a_key_that_is_not_there_is_not_exported(run: Run) -> None:
    outcome = run("key", "export-public", "one", "--kid", "none")

    assert outcome.exit_code == 2
    assert "has no key 'none'" in outcome.err


def test_an_overlap_longer_than_the_period_makes_no_instance(run: Run) -> None:
    options = ("--rotation-days", "1", "--overlap-hours", "24")

    outcome = run("instance", "create", "two", *_QUICK, *options)

    assert outcome.exit_code == 2
    assert "shorten the overlap" in outcome.err
