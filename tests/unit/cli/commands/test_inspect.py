from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from assay.endorsements.bundle import BundleEntry, export_bundle
from assay.endorsements.platform import PckCa
from assay.evidence.tpm.algorithms import HashAlgorithm
from assay.keys import SigningAlgorithm
from assay.keys.software import generate_key
from assay.simulator import openenclave
from assay.simulator.linux_boot import kernel_measurements
from assay.simulator.measured_boot import BootDraft
from assay.simulator.pck_extension import OID_SGX_EXTENSION
from assay.simulator.pki import SimulatedPki, pck_profile
from assay.simulator.pki import generate_key as generate_ec_key
from assay.simulator.uefi_boot import separator
from assay.simulator.windows_boot import windows_boot
from assay.token import jwks, sign_token, signing_certificate
from tests.conftest import AT
from tests.unit.cli.conftest import Files, Run

ISSUER = "https://attest.example.net"


def test_nothing_is_shown_without_the_word_unverified(run: Run, files: Files) -> None:
    outcome = run("inspect", files.quote)

    assert outcome.exit_code == 0
    assert outcome.out.splitlines()[0] == (
        "SGX quote - unverified: no signature, chain or date has been checked"
    )


def test_a_quote_shows_its_enclave_and_its_platform(run: Run, files: Files) -> None:
    report = run("inspect", files.quote, "--json").json

    assert report["kind"] == "SGX quote"
    assert report["verified"] is False
    assert report["encoding"] == "binary"
    assert report["version"] == 3
    assert report["enclave"]["isv_svn"] == 3
    assert report["enclave"]["debuggable"] is False
    assert report["quoting_enclave"]["isv_svn"] == 8
    leaf, ca, root = report["certification"]["certificates"]
    assert leaf["sgx"]["fmspc"] == files.platform.settings.fmspc.hex()
    assert "sgx" not in ca
    assert root["subject"] == root["issuer"]


def test_an_open_enclave_report_shows_its_quote(run: Run, files: Files) -> None:
    report = run("inspect", files.report, "--json").json

    assert report["kind"] == "Open Enclave evidence"
    assert report["format"] == "legacy report"
    assert report["custom_claims_bytes"] is None
    assert report["quote"]["version"] == 3


def test_open_enclave_evidence_shows_how_long_its_claims_are(
    run: Run, files: Files, tmp_path: Path
) -> None:
    path = tmp_path / "evidence"
    path.write_bytes(openenclave.evidence(files.platform, b"claims"))

    assert run("inspect", path, "--json").json["custom_claims_bytes"] == 6


def test_text_is_decoded_first(run: Run, files: Files, tmp_path: Path) -> None:
    path = tmp_path / "quote.txt"
    path.write_bytes(base64.b64encode(files.quote.read_bytes()))

    assert run("inspect", path, "--json").json["encoding"] == "base64 text"


def test_a_quote_with_certificates_of_another_kind_shows_their_type(
    run: Run, files: Files, tmp_path: Path
) -> None:
    quote = files.quote.read_bytes()
    chain = files.platform.pck_chain
    start = quote.index(chain)
    path = tmp_path / "quote"
    # Type and size stand before the chain.
    path.write_bytes(quote[: start - 6] + b"\x01\x00" + quote[start - 4 :])

    assert run("inspect", path, "--json").json["certification"] == {"type": 1}


def test_what_does_not_parse_inside_a_quote_is_a_problem_not_an_end(
    run: Run, files: Files, tmp_path: Path
) -> None:
    quote = files.quote.read_bytes()
    chain = files.platform.pck_chain
    # The QE report follows the two signatures and the key; its first reserved byte is at 20.
    qe_report = 48 + 384 + 4 + 64 + 64
    broken = bytearray(quote.replace(chain, b"x" * len(chain)))
    broken[qe_report + 20] = 1
    path = tmp_path / "quote"
    path.write_bytes(broken)

    report = run("inspect", path, "--json").json

    assert "expected X.509 certificates" in report["certification"]["problem"]
    assert "reserved" in report["quoting_enclave"]["problem"]


def test_sgx_extensions_that_do_not_parse_are_a_problem(run: Run, tmp_path: Path) -> None:
    pki = SimulatedPki.create(AT)
    key = generate_ec_key()
    extension = x509.UnrecognizedExtension(OID_SGX_EXTENSION, b"\x30\x00")
    certificate = pck_profile(key, PckCa.PLATFORM, AT, extension).sign(
        key.public_key(), pki.pck_ca(PckCa.PLATFORM).key
    )
    path = tmp_path / "leaf.der"
    path.write_bytes(certificate.public_bytes(Encoding.DER))

    (shown,) = run("inspect", path, "--json").json["certificates"]

    assert shown["sgx"]["problem"].startswith("dcap.pck_chain.pck_ext")


def test_certificates_are_shown_in_their_order(run: Run, files: Files, tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_bytes(files.platform.pck_chain)

    report = run("inspect", path, "--json").json

    assert report["kind"] == "certificates"
    assert len(report["certificates"]) == 3


def test_collateral_shows_its_documents(run: Run, files: Files) -> None:
    report = run("inspect", files.collateral, "--json").json

    assert report["kind"] == "collateral"
    (shown,) = report["sets"]
    assert shown["tcb_info"]["evaluation_number"] == 20
    assert shown["qe_identity"]["id"] == "QE"
    assert shown["pck_crl"]["revoked"] == 0
    assert shown["root_ca_crl"]["next_update"] == "2027-11-23T00:00:00Z"
    assert len(shown["pck_crl_issuer_chain"]) == 2


def test_collateral_that_does_not_parse_shows_its_problems(
    run: Run, files: Files, tmp_path: Path
) -> None:
    members = json.loads(files.collateral.read_text())
    broken = members | {"tcb_info": "{}", "pck_crl": "00", "pck_crl_issuer_chain": "x"}
    path = tmp_path / "collateral.json"
    path.write_text(json.dumps(broken))

    (shown,) = run("inspect", path, "--json").json["sets"]

    assert "problem" in shown["tcb_info"]
    assert "problem" in shown["pck_crl"]
    assert "problem" in shown["pck_crl_issuer_chain"]


def test_a_folder_and_a_bundle_show_their_sets(run: Run, files: Files, tmp_path: Path) -> None:
    folder = tmp_path / "sets"
    folder.mkdir()
    (folder / "one.json").write_bytes(files.collateral.read_bytes())
    bundle = tmp_path / "sets.assay-bundle"
    entry = BundleEntry(collateral=files.platform.collateral(AT), source="made", fetched_at=AT)
    bundle.write_bytes(export_bundle([entry]))

    assert run("inspect", folder, "--json").json["kind"] == "collateral"
    shown = run("inspect", bundle, "--json").json
    assert shown["kind"] == "bundle"
    assert shown["sets"][0]["source"] == "made"


def test_open_enclave_endorsements_show_their_documents(
    run: Run, files: Files, tmp_path: Path
) -> None:
    path = tmp_path / "endorsements"
    made = openenclave.endorsements(files.platform.collateral(AT), AT)
    path.write_bytes(openenclave.with_header(made))

    report = run("inspect", path, "--json").json

    assert report["kind"] == "Open Enclave endorsements"
    assert report["sets"][0]["tcb_info"]["fmspc"] == files.platform.settings.fmspc.hex()


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_token_shows_header_claims_and_times(run: Run, tmp_path: Path, *, wrapped: bool) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=AT)
    token = sign_token({"iss": ISSUER, "iat": 0, "exp": "later"}, key, issuer=ISSUER)
    path = tmp_path / "token"
    path.write_text(json.dumps({"token": token}) if wrapped else f"{token}\n")

    report = run("inspect", path, "--json").json

    assert report["kind"] == "token"
    assert report["header"]["alg"] == "ES256"
    assert report["claims"]["iss"] == ISSUER
    assert report["times"] == {"iat": "1970-01-01T00:00:00Z", "exp": None}


def test_times_beyond_the_calendar_are_left_out(run: Run, tmp_path: Path) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=AT)
    path = tmp_path / "token"
    path.write_text(sign_token({"exp": 10**18}, key, issuer=ISSUER))

    assert run("inspect", path, "--json").json["times"] == {"exp": None}


def test_a_key_set_shows_its_keys(run: Run, tmp_path: Path) -> None:
    key = generate_key(SigningAlgorithm.ES256, created_at=AT)
    document = jwks([(key, signing_certificate(key, issuer=ISSUER))])
    keys = document["keys"]
    assert isinstance(keys, list)
    keys.append("noise")
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(document))

    report = run("inspect", path, "--json").json

    assert report["kind"] == "key set"
    assert report["keys"] == [{"kid": key.kid, "kty": "EC"}, {"problem": "not an object"}]


@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        (b"", 4, "need 48 bytes"),
        (b"noise!", 4, "quote"),
        (b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n", 4, "X.509"),
        (b"\x30\x82\x01\x02\xff", 4, "X.509"),
        (b"{", 2, "not valid JSON"),
        (b'{"a":1,"b":2}', 2, "members a, b"),
        (b"{}", 2, "members (none)"),
        (b'{"tcb_info":1}', 5, "expected text as tcb_info"),
        (b"a.b.c", 4, "token"),
    ],
)
def test_what_cannot_be_decoded_is_one_sentence(
    run: Run, tmp_path: Path, content: bytes, code: int, sentence: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    outcome = run("inspect", path)

    assert outcome.exit_code == code
    assert outcome.out == ""
    assert sentence in outcome.err
    assert outcome.err.count("\n") == 1


def test_an_event_log_shows_where_it_leads_and_what_it_says(run: Run, tmp_path: Path) -> None:
    boot = windows_boot()
    log = tmp_path / "boot.log"
    log.write_bytes(boot.encode() + bytes(16))

    report = run("inspect", log, "--json").json
    shown = run("inspect", log)

    assert report["kind"] == "TPM event log"
    assert (report["layout"], report["banks"]) == ("crypto-agile", ["SHA1", "SHA256"])
    assert (report["records"], report["padding_bytes"]) == (len(boot.events) + 1, 16)
    registers = boot.registers()[HashAlgorithm.SHA256]
    assert report["registers"]["SHA256"]["PCR 7"] == registers[7].hex()
    assert report["events"][-1]["ProcessedData"] == {
        "Data": "Exit Boot Services Returned with Success"
    }
    assert shown.out.startswith("TPM event log - unverified")
    assert "EVENT_TRUSTBOUNDARY" in shown.out


def test_a_log_of_sha1_is_shown_in_base64_too(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "boot.txt"
    log.write_bytes(base64.b64encode(replace(windows_boot(), is_legacy=True).encode()))

    report = run("inspect", log, "--json").json

    assert report["encoding"] == "base64 text"
    assert (report["layout"], report["banks"]) == ("SHA-1", ["SHA1"])


def test_a_log_that_no_boot_writes_shows_its_problems(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "boot.log"
    log.write_bytes(BootDraft(events=(separator(4), separator(4))).encode())

    report = run("inspect", log, "--json").json

    assert report["problems"][0].startswith("tpm.event_log.separator: ")
    assert report["events"][1] == {"sequence": 1, "pcr": 4, "type": "EV_SEPARATOR", "bytes": 4}
    assert "registers" not in report


def test_a_log_without_a_bank_says_so(run: Run, tmp_path: Path) -> None:
    head = BootDraft(events=()).encode()
    without_digests = b"".join(one.to_bytes(4, "little") for one in (4, 1, 0, 0))
    log = tmp_path / "boot.log"
    log.write_bytes(head + without_digests)

    assert "no bank" in run("inspect", log, "--json").json["problem"]


def test_the_kernels_log_is_shown(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "ima.log"
    log.write_bytes(b"".join(one.encode() for one in kernel_measurements()))

    report = run("inspect", log, "--json").json

    assert report["kind"] == "kernel's event log"
    assert report["records"] == 3
    assert report["events"][-1]["ProcessedData"]["KernelVersion"] == "6.8.0-31-generic"


def test_a_log_that_does_not_parse_is_refused(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "boot.log"
    log.write_bytes(windows_boot().encode()[:-1])

    outcome = run("inspect", log)

    assert outcome.exit_code == 4
    assert "log.event.data" in outcome.err


def test_a_path_that_the_system_refuses_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    outcome = run("inspect", tmp_path / ("x" * 256))

    assert outcome.exit_code == 2
    assert "cannot be read: File name too long" in outcome.err
