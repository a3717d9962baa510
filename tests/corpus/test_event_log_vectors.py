"""Every shared event log: parsed, replayed to the stated registers in every bank, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest.mark import ParameterSet

from assay.claims import Claim
from assay.encoding import decode_base64url
from assay.errors import AssayError, FindingCollector, MalformedEvidenceError
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.evidence.tpm.boot_claims import boot_claims
from assay.evidence.tpm.content import Authority, DriverConfig, WindowsRecords
from assay.evidence.tpm.documents import events_document
from assay.evidence.tpm.event_log import EventLog, parse_event_log
from assay.evidence.tpm.event_types import EventType
from assay.evidence.tpm.idks import read_idks
from assay.evidence.tpm.ima_log import parse_ima_log
from assay.evidence.tpm.log_verify import Banks, verify_event_logs
from assay.evidence.tpm.measured_log import MeasuredLog
from assay.evidence.tpm.replay import MeasurementLog, replay, startup_locality
from assay.policy import compile_policy
from assay.policy.gallery import TEMPLATES, Template
from assay.policy.meter import Meter
from assay.policy.query import Query
from tests.logs import registers
from tests.vectors import vector_params

SHA256: Final = HashAlgorithm.SHA256
EVERY: Final = frozenset(HashAlgorithm)

# A log of TDX, whose registers are numbered and closed in another way, and one of TPM 1.2, whose
# firmware measures the values of variables without their names.
_NO_PROFILE: Final = {
    "goevl-cos113-tdx-ccel": {"tpm.event_log.separator", "tpm.event_log.variable"},
    "goevl-tpm12": {"tpm.event_log.event_data"},
}
_WINDOWS: Final = "tpm/maa/surface-win11-rebuilt.log.bin"


def sidecar(path: Path) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(path.read_bytes())
    return members


def sidecars(wanted: Callable[[Path], bool], *patterns: str) -> list[ParameterSet]:
    """One parameter per sidecar that is wanted; the one that skips where there are no vectors."""
    return [
        param
        for param in vector_params(*patterns)
        if param.marks or (isinstance(path := param.values[0], Path) and wanted(path))
    ]


def has_checks(path: Path) -> bool:
    return "checks" in sidecar(path)


def has_secure_boot(path: Path) -> bool:
    return "SecureBoot" in sidecar(path).get("facts", {})


def folder(path: Path) -> Path:
    return path.parent.parent


def checks(path: Path, *operations: str) -> Iterator[dict[str, Any]]:
    for check in sidecar(path)["checks"]:
        if check["op"] in operations:
            yield check


def log_of(path: Path, check: dict[str, Any]) -> EventLog:
    named = check.get("log") or sidecar(path)["files"][0]
    return parse_event_log((folder(path) / named).read_bytes())


def stated(check: dict[str, Any]) -> tuple[HashAlgorithm, dict[int, bytes]]:
    bank = HashAlgorithm[check["alg"].upper()]
    return bank, {int(number): bytes.fromhex(value) for number, value in check["pcrs"].items()}


def codes(log: EventLog, quoted: Banks) -> set[str]:
    """The findings of a verification, none where it passes."""
    collector = FindingCollector()
    with collector:
        verify_event_logs([log], quoted, accepted=EVERY)
    return {finding.check for finding in collector.findings}


@pytest.mark.parametrize("path", vector_params("tpm/eventlog/*.json"))
def test_logs_parse_to_the_stated_facts_or_are_refused(path: Path) -> None:
    for check in checks(path, "parse_fail"):
        with pytest.raises(MalformedEvidenceError):
            log_of(path, check)
    for check in checks(path, "parse"):
        log = log_of(path, check)
        assert log.is_crypto_agile is (check["format"] == "crypto-agile")
        assert {bank.label for bank in log.banks} == set(check["banks"])
        assert len(log.records) == check["records"]
        assert startup_locality([log]) == (check["startup_locality"] or 0)
        assert log.padding_bytes == check["padding_bytes"]


@pytest.mark.parametrize(
    "path",
    sidecars(has_checks, "tpm/eventlog/*.json", "tpm/quote/*.json", "tpm/swtpm/s[4-5]*.json"),
)
def test_logs_replay_to_the_stated_registers_in_every_bank(path: Path) -> None:
    for check in checks(path, "replay"):
        log = log_of(path, check)
        bank, expected = stated(check)

        replayed = registers([log], bank)[bank]

        assert {number: replayed[number] for number in expected} == expected
        assert codes(log, {bank: expected}) == _NO_PROFILE.get(path.stem, set())


@pytest.mark.parametrize("path", vector_params("tpm/eventlog/*.json"))
def test_images_have_the_stated_digests(path: Path) -> None:
    for check in checks(path, "efi_app_digests"):
        records = [
            record
            for record in log_of(path, check).records
            if record.type == EventType.EV_EFI_BOOT_SERVICES_APPLICATION
        ]
        for name, expected in check["digests"].items():
            bank = HashAlgorithm[name.upper()]
            assert [record.digests[bank].hex() for record in records] == expected


@pytest.mark.parametrize("path", sidecars(has_secure_boot, "tpm/eventlog/*.json"))
def test_secure_boot_is_what_the_firmware_measured(path: Path) -> None:
    facts = sidecar(path)["facts"]
    log = parse_event_log(path.with_suffix(".bin").read_bytes())
    bank = max(log.banks)

    measured = verify_event_logs([log], registers([log], bank), accepted=EVERY)

    claims = {claim.type: claim.value for claim in boot_claims(measured)}
    assert claims["secureBootEnabled"] is (facts["SecureBoot"] == "01")
    assert json.loads(events_document(measured))["Events"]


def payload(jws: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(decode_base64url(jws.split(".")[1], "payload"))["att_data"]
    signed = data.get("report_signed", data)
    members: dict[str, Any] = signed["tpm_att_data"]
    return members


def verified(attestation: dict[str, Any]) -> MeasuredLog:
    quoted = {
        HashAlgorithm(bank["algorithm"]): {
            value["index"]: decode_base64url(value["digest"], "digest") for value in bank["values"]
        }
        for bank in attestation["pcrs"]
    }
    logs: list[MeasurementLog] = []
    for log in attestation["logs"]:
        data = decode_base64url(log["log"], "log")
        logs.append(parse_event_log(data) if log["type"] == "TCG" else parse_ima_log(data))
    return verify_event_logs(logs, quoted)


@pytest.mark.parametrize("path", vector_params("tpm/swtpm/s2*.jws", "tpm/swtpm/s3*.jws"))
def test_the_logs_of_requests_lead_to_their_registers(path: Path) -> None:
    for attestation in payload(path.read_text()).values():
        log = verified(attestation)
        assert log.bank is SHA256
        assert log.accounted_pcrs == log.quoted_pcrs


@pytest.mark.parametrize("path", vector_params("tpm/swtpm/s10-vbs.jws"))
def test_the_key_of_the_secure_kernel_is_the_stated_one(path: Path) -> None:
    facts = sidecar(path.with_suffix(".json"))["facts"]
    (attestation,) = payload(path.read_text()).values()

    log = verified(attestation)

    assert read_idks(log).key_size == 2048
    assert facts["idks_modulus_in_pcr"] == [12]


@pytest.mark.parametrize("path", vector_params("tpm/swtpm/s1-negatives.data"))
@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("pcr-value-changed", "tpm.event_log.replay"),
        ("log-truncated", "tpm.event_log.replay"),
        ("log-data-only-changed", "tpm.event_log.event_data"),
    ],
)
def test_edited_logs_of_requests_are_refused(path: Path, name: str, check: str) -> None:
    attestation = payload(json.loads(path.read_bytes())[name]["jws"])["current_attestation"]

    with pytest.raises(AssayError) as caught:
        verified(attestation)

    assert {finding.check for finding in caught.value.findings} == {check}


@pytest.mark.parametrize("path", vector_params("tpm/swtpm/s2-ima.bin"))
def test_the_kernels_log_leads_to_the_stated_register(path: Path) -> None:
    facts = sidecar(path.with_name("s2-linux-certified.json"))["facts"]["ima_pcr10"]
    log = parse_ima_log(path.read_bytes())

    for name, value in facts.items():
        assert replay([log], HashAlgorithm[name.upper()]) == {10: bytes.fromhex(value)}


def windows(path: Path) -> MeasuredLog:
    log = parse_event_log((path.parent / "surface-win11-rebuilt.log.bin").read_bytes())
    return verify_event_logs([log], registers([log], SHA256))


@pytest.mark.parametrize("path", vector_params("tpm/maa/surface-win11-policy-queries.data"))
def test_documented_queries_give_their_results_over_a_real_log(path: Path) -> None:
    document = events_document(windows(path))

    results = {}
    for query in json.loads(path.read_bytes()):
        text = document
        for step in query["chain"]:
            text = Query(step).run(json.loads(text), Meter())
        results[query["name"]] = (json.loads(text), query["expected"])

    assert len(results) == 22
    assert {name for name, (result, expected) in results.items() if result != expected} == set()


@pytest.mark.parametrize("path", vector_params(_WINDOWS))
def test_every_claim_of_policy_1_0_holds_for_a_real_log(path: Path) -> None:
    log = windows(path)

    assert {claim.value for claim in boot_claims(log)} == {True}
    kinds = {type(event.content) for event in log.events}
    assert {Authority, DriverConfig, WindowsRecords} <= kinds


def incoming(log: MeasuredLog) -> tuple[Claim, ...]:
    return (
        Claim("aikValidated", value=True),
        Claim("aikPubHash", "a hash"),
        Claim("tpmVersion", 2),
        *boot_claims(log),
        Claim("events", events_document(log)),
    )


_TEMPLATES: Final = [template for template in TEMPLATES if template.types == ("Tpm",)]


@pytest.mark.parametrize("path", vector_params(_WINDOWS))
@pytest.mark.parametrize("template", _TEMPLATES, ids=lambda template: template.name)
def test_the_templates_of_the_gallery_permit_a_real_boot(path: Path, template: Template) -> None:
    claims = incoming(windows(path))

    evaluation = compile_policy(template.policy).evaluate(claims)

    assert evaluation.decision == "permit"
    assert evaluation.issued["secureBootEnabled"] is True
    assert evaluation.issued["bootDebuggingDisabled"] is True


@pytest.mark.parametrize("path", vector_params("tpm/eventlog/gotpm-*.bin"))
@pytest.mark.parametrize("template", _TEMPLATES, ids=lambda template: template.name)
def test_the_templates_refuse_boots_that_do_not_speak_of_debugging(
    path: Path, template: Template
) -> None:
    log = parse_event_log(path.read_bytes())
    bank = max(log.banks)
    claims = incoming(verify_event_logs([log], registers([log], bank), accepted=EVERY))

    assert compile_policy(template.policy).evaluate(claims).decision == "no-permit"
