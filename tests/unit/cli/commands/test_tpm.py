from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from assay.cli.exit_code import ExitCode
from assay.cli.failure import exit_code_of
from assay.cli.tpm_connection import log_reader, open_exchange, read_certificate_der
from assay.errors import AssayError, RequestError
from tests.tpm import simulated_tpm
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_service import FakeService

_NAME = "000b" + "ab" * 32


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def test_endorsement_keys_are_made_known_listed_and_forgotten(run: Run) -> None:
    assert run("instance", "create", "one", "--url", "https://one.example").exit_code == 0

    assert run("tpm", "allow", "one", _NAME.upper(), "--label", "rack 7").exit_code == 0
    listed = run("tpm", "list", "one")
    assert run("tpm", "list", "one", "--json").json == {
        "endorsement_keys": [{"name": _NAME, "label": "rack 7"}]
    }
    assert run("tpm", "disallow", "one", _NAME).exit_code == 0
    again = run("tpm", "disallow", "one", _NAME)

    assert listed.out == f"{_NAME}  rack 7\n"
    assert again.exit_code == 2
    assert run("tpm", "list", "one").out == ""


@pytest.mark.parametrize("name", ["", "zz", "000b", "0004" + "ab" * 20, _NAME + "00"])
def test_what_is_no_name_is_refused(run: Run, name: str) -> None:
    assert run("tpm", "allow", "one", name).exit_code == 2


def test_an_instance_that_is_not_there_is_told(run: Run) -> None:
    assert run("tpm", "allow", "none", _NAME).exit_code == 2
    assert run("tpm", "list", "none").exit_code == 2


def test_two_tpms_are_one_too_many(run: Run, tmp_path: Path) -> None:
    shown = run("tpm", "show", "--device", tmp_path, "--socket", "127.0.0.1:1")

    assert shown.exit_code == 2
    assert "got both" in shown.err


def test_a_tpm_that_does_not_answer_is_told(run: Run, tmp_path: Path) -> None:
    shown = run("tpm", "show", "--device", tmp_path / "none")

    assert shown.exit_code == 6
    assert "cannot open" in shown.err


def test_roots_of_tpms_are_given_to_an_instance(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(simulated_tpm().root.public_bytes(Encoding.PEM))

    made = run(
        *("instance", "create", "two", "--url", "https://two.example"),
        *("--tpm-root", root, "--tpm-intermediate", root, "--json"),
    )

    assert made.exit_code == 0


def test_a_certificate_is_one(tmp_path: Path) -> None:
    pem = simulated_tpm().root.public_bytes(Encoding.PEM)
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(pem)
    two.write_bytes(pem + pem)

    assert read_certificate_der(one) == simulated_tpm().root.public_bytes(Encoding.DER)
    assert read_certificate_der(None) is None
    with pytest.raises(RequestError):
        read_certificate_der(two)


def test_logs_are_the_named_ones(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"log")

    assert [one.data for one in log_reader([log])()] == [b"log"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((400, b'{"error":{"code":"PolicyEvaluationError","message":"no"}}'), 3),
        ((400, b'{"error":{"code":"InvalidParameter","message":"no"}}'), 4),
        ((401, b'{"error":{"code":"Unauthorized","message":"no"}}'), 6),
        ((502, b"no"), 6),
        ((502, b"{}"), 6),
    ],
)
def test_what_a_service_answers_ends_as_its_exit_code_says(
    answer: tuple[int, bytes], code: int
) -> None:
    with FakeService() as service, open_exchange(service.url + "/", "token") as exchange:
        service.answer = answer
        with pytest.raises(AssayError) as refused:
            exchange.challenge()

    assert exit_code_of(refused.value) is ExitCode(code)
