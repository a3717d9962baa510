from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from assay.cli.input_file import MAX_INPUT_BYTES
from assay.encoding import encode_json
from assay.endorsements.bundle import BUNDLE_START, MAX_BUNDLE_SIZE
from assay.endorsements.stored import write_stored
from assay.simulator import SimulatedPlatform
from assay.simulator.pcs import pcs_app
from tests.conftest import AT
from tests.unit.cli.conftest import AT_TEXT, Files, Run


@pytest.fixture
def pcs(platform: SimulatedPlatform) -> Iterator[str]:
    """The address of a simulated provisioning certification service."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(pcs_app(platform, now=lambda: AT), log_config=None, ws="none")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"pcs:http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


def test_collateral_is_fetched_for_the_platform_of_evidence(
    run: Run, files: Files, pcs: str, tmp_path: Path
) -> None:
    out = tmp_path / "fetched.json"

    outcome = run("collateral", "fetch", files.quote, "--out", out, "--source", pcs)

    assert outcome.exit_code == 0
    fmspc = files.platform.settings.fmspc.hex()
    assert outcome.out == f"{out}: collateral for FMSPC {fmspc} from {pcs}\n"
    judged = ("--collateral", out, "--root", files.root, "--at", AT_TEXT)
    assert run("appraise", files.quote, *judged).exit_code == 0


@pytest.mark.parametrize("ca", [(), ("--ca", "platform")])
def test_collateral_is_fetched_for_a_platform_that_is_described(
    run: Run, files: Files, pcs: str, tmp_path: Path, ca: tuple[str, ...]
) -> None:
    out = tmp_path / "fetched.json"
    fmspc = files.platform.settings.fmspc.hex()

    described = ("--fmspc", fmspc, *ca)

    outcome = run("collateral", "fetch", *described, "--out", out, "--source", pcs, "--json")

    assert outcome.exit_code == 0
    assert outcome.json["fmspc"] == fmspc
    assert outcome.json["source"] == pcs
    assert len(outcome.json["sha256"]) == 64


def test_a_platform_that_the_service_does_not_know_is_told(
    run: Run, pcs: str, tmp_path: Path
) -> None:
    outcome = run(
        "collateral", "fetch", "--fmspc", "ff" * 6, "--out", tmp_path / "x", "--source", pcs
    )

    assert outcome.exit_code == 5
    assert "status 404" in outcome.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "expected either evidence or --fmspc"),
        (("quote.bin", "--fmspc", "00"), "expected either evidence or --fmspc"),
        (("quote.bin", "--ca", "processor"), "expected --ca only with --fmspc"),
        (("--fmspc", "00"), "--fmspc: expected 6 bytes"),
        (("--fmspc", "00" * 6, "--source", "intel"), "--source: expected pcs"),
        (("--fmspc", "00" * 6, "--source", "pccs"), "expected its address"),
        (("--fmspc", "00" * 6, "--evaluation", "new"), "expected standard, early or a number"),
    ],
)
def test_what_cannot_be_fetched_is_a_usage_error(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = run("collateral", "fetch", *arguments, "--out", tmp_path / "x")

    assert outcome.exit_code == 2
    assert sentence in outcome.err


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = tmp_path / "key.pem", tmp_path / "key.pub.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def test_collateral_survives_the_way_through_a_bundle(
    run: Run, files: Files, tmp_path: Path
) -> None:
    bundle, folder = tmp_path / "out.assay-bundle", tmp_path / "imported"

    exported = run("collateral", "export", files.collateral, "--out", bundle)
    imported = run("collateral", "import", bundle, "--into", folder)

    assert exported.exit_code == 0
    assert f"{bundle}: 1 set of collateral" in exported.out
    assert "not signed" in exported.out
    assert imported.exit_code == 0
    (written,) = imported.out.splitlines()
    assert Path(written).parent == folder
    assert "who made the bundle was not checked" in imported.err
    judged = ("--collateral", folder, "--root", files.root, "--at", AT_TEXT)
    assert run("appraise", files.quote, *judged).exit_code == 0


def test_the_right_set_is_chosen_from_several(run: Run, files: Files, tmp_path: Path) -> None:
    other = SimulatedPlatform.create(AT, fmspc=bytes.fromhex("00906ed50000"))
    folder = tmp_path / "sets"
    run("simulate", "sgx", "--out", tmp_path / "q", "--collateral-out", folder / "b.json")
    (folder / "a.json").write_bytes(files.collateral.read_bytes())
    quote = tmp_path / "other"
    quote.write_bytes(other.quote())

    judged = ("--collateral", folder, "--root", files.root, "--at", AT_TEXT, "--json")

    assert run("appraise", quote, *judged).json["findings"][0]["check"] == (
        "appraisal.collateral.unavailable"
    )
    assert run("appraise", files.quote, *judged).json["verdict"] in {"permit", "invalid"}


def test_a_bundle_of_any_size_that_is_exported_is_read(
    run: Run, platform: SimulatedPlatform, tmp_path: Path
) -> None:
    large = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), bytes(MAX_INPUT_BYTES // 2))
    profile = replace(
        platform.pck_crl_profile(AT),
        extensions=(x509.Extension(large.oid, critical=False, value=large),),
    )
    collateral = replace(
        platform.collateral(AT), pck_crl=profile.sign(platform.pki.platform_ca.key)
    )
    source, bundle = tmp_path / "collateral.json", tmp_path / "out.assay-bundle"
    source.write_text(json.dumps(write_stored(collateral)))

    exported = run("collateral", "export", source, "--out", bundle)
    imported = run("collateral", "import", bundle, "--into", tmp_path / "in", "--json")
    inspected = run("inspect", bundle, "--json")

    assert exported.exit_code == imported.exit_code == inspected.exit_code == 0
    assert bundle.stat().st_size > MAX_INPUT_BYTES
    (written,) = imported.json["written"]
    assert Path(written).read_bytes() == encode_json(dict(write_stored(collateral)))
    assert len(inspected.json["sets"]) == 1


@pytest.mark.parametrize(
    ("start", "most"),
    [(b"", MAX_INPUT_BYTES), (BUNDLE_START, MAX_BUNDLE_SIZE)],
    ids=["other files", "bundles"],
)
@pytest.mark.parametrize("command", [("inspect",), ("collateral", "import", "--into", "in")])
def test_files_that_are_too_large_are_usage_errors(
    run: Run, tmp_path: Path, command: tuple[str, ...], start: bytes, most: int
) -> None:
    file = tmp_path / "large"
    with file.open("wb") as stream:
        stream.write(start)
        stream.truncate(most + 1)

    outcome = run(*command, file)

    assert outcome.exit_code == 2
    assert f"expected at most {most} bytes, got more" in outcome.err


def test_a_signed_bundle_is_checked_against_the_key(
    run: Run, files: Files, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    private, public = keys
    bundle = tmp_path / "bundle"
    run("collateral", "export", files.collateral, "--out", bundle, "--key", private)

    outcome = run(
        "collateral", "import", bundle, "--into", tmp_path / "in", "--trusted-key", public
    )

    assert outcome.exit_code == 0
    assert "signed by the trusted key" in outcome.err


def test_a_bundle_that_nobody_signed_is_refused_where_a_key_is_named(
    run: Run, files: Files, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    run("collateral", "export", files.collateral, "--out", bundle)

    outcome = run(
        "collateral", "import", bundle, "--into", tmp_path / "in", "--trusted-key", keys[1]
    )

    assert outcome.exit_code == 5
    assert "collateral.bundle.bundle_signature" in outcome.err
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("content", ["noise", "curve"])
def test_a_key_of_another_kind_is_a_usage_error(
    run: Run, files: Files, tmp_path: Path, content: str
) -> None:
    key = tmp_path / "key"
    key.write_text("noise")
    public = tmp_path / "public"
    public.write_text("noise")
    if content == "curve":
        other = ec.generate_private_key(ec.SECP256R1())
        key.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public.write_bytes(
            other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
    bundle = tmp_path / "bundle"
    run("collateral", "export", files.collateral, "--out", bundle)

    exported = run("collateral", "export", files.collateral, "--out", bundle, "--key", key)
    imported = run("collateral", "import", bundle, "--into", tmp_path, "--trusted-key", public)

    assert exported.exit_code == imported.exit_code == 2
    assert "Ed25519" in exported.err or "PEM" in exported.err


def test_the_json_answers_name_the_files(run: Run, files: Files, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"

    exported = run("collateral", "export", files.collateral, "--out", bundle, "--json").json
    imported = run("collateral", "import", bundle, "--into", tmp_path / "in", "--json").json

    assert exported == {"bundle": str(bundle), "sets": 1, "signed": False}
    assert imported["signed_by"] is None
    assert all(Path(name).is_file() for name in imported["written"])


def test_show_says_what_collateral_is_for_and_how_long_it_holds(run: Run, files: Files) -> None:
    outcome = run("collateral", "show", files.collateral, "--at", AT_TEXT)

    assert outcome.exit_code == 0
    lines = outcome.out.splitlines()
    assert lines[0] == "1 set of collateral - unverified: only read"
    assert f"in date  {files.collateral}" in lines
    assert f"  fmspc              {files.platform.settings.fmspc.hex()}" in lines
    assert "  expires            2026-12-23T00:00:00Z" in lines


def test_show_tells_collateral_that_is_out_of_date(run: Run, files: Files) -> None:
    report = run("collateral", "show", files.collateral, "--at", "2027-02-01T00:00:00Z", "--json")

    assert report.json["verified"] is False
    assert report.json["sets"][0]["state"] == "out of date"


def test_show_tells_collateral_that_does_not_parse(run: Run, files: Files, tmp_path: Path) -> None:
    members = json.loads(files.collateral.read_text()) | {"tcb_info": "{}"}
    path = tmp_path / "collateral.json"
    path.write_text(json.dumps(members))

    outcome = run("collateral", "show", path)

    assert outcome.exit_code == 0
    assert f"does not parse  {path}" in outcome.out


def test_a_path_without_collateral_is_told(run: Run, tmp_path: Path) -> None:
    outcome = run("collateral", "show", tmp_path)

    assert outcome.exit_code == 5
    assert "sets of collateral" in outcome.err
