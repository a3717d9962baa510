from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from assay.appraisal import HeldDataType
from assay.cli.options import DataTypeChoice, TypeChoice
from assay.evidence.format import AttestationType
from tests.unit.cli.conftest import Files, Run
from tests.unit.cli.fake_service import FakeService


def test_the_token_alone_is_the_answer(run: Run, files: Files, service: FakeService) -> None:
    outcome = run("attest", files.quote, "--url", service.url)

    assert outcome.exit_code == 0
    assert outcome.out.count(".") == 2
    assert outcome.out.count("\n") == 1
    assert outcome.err.startswith(f"permitted: the token is signed by key {service.key.kid}\n")
    assert service.paths == ["/attest/SgxEnclave?api-version=2022-08-01", "/certs"]


def test_the_json_answer_has_the_verified_claims(
    run: Run, files: Files, service: FakeService
) -> None:
    outcome = run("attest", files.report, "--url", f"{service.url}/", "--json")

    assert outcome.exit_code == 0
    assert outcome.json["signed"] is True
    assert outcome.json["claims"]["tee"] == "sgx"
    assert outcome.json["header"]["kid"] == service.key.kid
    assert service.paths[0].startswith("/attest/OpenEnclave?")


def test_everything_that_is_named_is_sent(
    run: Run, files: Files, service: FakeService, tmp_path: Path
) -> None:
    policy = tmp_path / "policy"
    policy.write_text("version= 1.0;")

    outcome = run(
        "attest",
        files.quote,
        "--url",
        service.url,
        "--runtime-data",
        files.runtime_data,
        "--runtime-data-type",
        "JSON",
        "--init-time-data",
        files.runtime_data,
        "--nonce",
        "n",
        "--draft-policy",
        policy,
    )

    assert outcome.exit_code == 0
    assert "permitted by the draft policy: the token is not signed" in outcome.err
    (sent,) = service.requests
    assert sent["runtimeData"]["dataType"] == "JSON"
    assert sent["initTimeData"]["dataType"] == "Binary"
    assert sent["nonce"] == "n"
    assert sent["draftPolicyForAttestation"] == "version= 1.0;"


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, {"code": "PolicyEvaluationError", "message": "denied by rule 4"}, 3),
        (
            400,
            {
                "code": "InvalidParameter",
                "message": "a bad signature",
                "innererror": {"code": "InvalidQuote"},
            },
            4,
        ),
        (503, {"code": "CollateralUnavailable", "message": "no collateral"}, 5),
        (400, {"code": "PolicyParsingError", "message": "no policy"}, 2),
        (500, {"code": "InternalError", "message": "a defect"}, 6),
    ],
)
def test_a_refusal_is_one_sentence_with_its_code(
    run: Run, files: Files, service: FakeService, status: int, error: dict[str, object], code: int
) -> None:
    service.refuse(status, error)

    outcome = run("attest", files.quote, "--url", service.url)

    assert outcome.exit_code == code
    assert outcome.out == ""
    assert outcome.err == (
        f"assay: the service refused with status {status} ({error['code']}): {error['message']}\n"
    )


def test_a_nonce_of_other_bytes_than_utf_8_is_a_usage_error(
    run: Run, files: Files, service: FakeService
) -> None:
    nonce = os.fsdecode(b"n\xff")

    outcome = run("attest", files.quote, "--url", service.url, "--nonce", nonce)

    assert outcome.exit_code == 2
    assert outcome.err.startswith("assay: nonce: expected Unicode text, got a byte that is not")
    assert service.requests == []


def test_an_address_of_other_bytes_than_utf_8_is_a_usage_error(run: Run, files: Files) -> None:
    outcome = run("attest", files.quote, "--url", os.fsdecode(b"http://127.0.0.1:1/\xff"))

    assert outcome.exit_code == 2
    assert outcome.err.startswith("assay: URL: expected Unicode text, got a byte that is not")


@pytest.mark.parametrize("option", ["--runtime-data", "--init-time-data"])
def test_data_that_should_be_json_is_a_usage_error_with_its_file(
    run: Run, files: Files, service: FakeService, option: str
) -> None:
    data = (option, files.quote, f"{option}-type", "JSON")

    outcome = run("attest", files.quote, "--url", service.url, *data)

    assert outcome.exit_code == 2
    assert outcome.err.startswith(f"assay: {option}: {files.quote}: not valid JSON: ")
    assert service.requests == []


def test_an_empty_file_is_invalid_evidence(run: Run, service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "empty.bin"
    path.touch()

    outcome = run("attest", path, "--url", service.url)

    assert outcome.exit_code == 4
    assert outcome.err == f"assay: {path}: expected evidence, got an empty file\n"
    assert service.requests == []


def test_a_token_that_is_not_the_services_own_is_refused(
    run: Run, files: Files, service: FakeService
) -> None:
    claims = service.claims() | {"iss": "https://other.example"}
    service.answer = (200, json.dumps({"token": service.token(claims)}).encode())

    outcome = run("attest", files.quote, "--url", service.url)

    assert outcome.exit_code == 4
    assert outcome.out == ""


def test_a_service_that_is_not_there_is_told(run: Run, files: Files) -> None:
    with FakeService() as stopped:
        url = stopped.url

    outcome = run("attest", files.quote, "--url", url)

    assert outcome.exit_code == 6
    assert outcome.err.startswith(f"assay: {url} does not answer: ")


def test_the_choices_are_those_of_the_protocol() -> None:
    assert {choice.value for choice in TypeChoice} - {"auto"} == set(AttestationType)
    assert {choice.value for choice in DataTypeChoice} == set(HeldDataType)
