"""The code of `docs/relying-party.md` and `docs/key-release.md`, run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from assay import clock
from assay.cli import app
from assay.cli.collateral_path import encode_collateral
from assay.keyrelease import ReleaseKey
from assay.keyrelease.settings import (
    BrokerSettings,
    EvidenceSettings,
    SecretSettings,
    load_broker_file,
)
from assay.relying_party import TokenDemands, TokenVerifier, load_key_set, require
from assay.relying_party.aio import AsyncTokenVerifier
from assay.relying_party.requirements import SHORT_NAMES
from assay.simulator import SimulatedPlatform
from tests.attestation_service import AttestationService, attestation_service
from tests.documentation import blocks, read_page, rows, section
from tests.release import release_context
from tests.servers.tls import tls_identity

_PAGE: Final = read_page("relying-party.md")
_RELEASE_PAGE: Final = read_page("key-release.md")
_ISSUER: Final = "https://attest.example.com"


@pytest.fixture
def service() -> Iterator[AttestationService]:
    with attestation_service() as found:
        yield found


def _block(page: str, marker: str) -> str:
    (found,) = (block for block in blocks(page, "python") if marker in block)
    return found


def _run(block: str, **names: Any) -> dict[str, Any]:  # noqa: ANN401  of a namespace
    """The names that a block leaves behind; it may wait at its top level."""

    async def main() -> dict[str, Any]:
        return await _waiting(block, names)

    return asyncio.run(main())


async def _waiting(block: str, names: dict[str, Any]) -> dict[str, Any]:
    namespace = {"__name__": "page", **names}
    code = compile(block, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(code, namespace)  # noqa: S307  the page's own code
    if inspect.isawaitable(outcome):
        await outcome
    return namespace


def _told(block: str, **names: Any) -> str:  # noqa: ANN401  of a namespace
    out = io.StringIO()
    with redirect_stdout(out):
        _run(block, **names)
    return out.getvalue()


def test_the_first_verifier_takes_the_token_that_it_describes(
    service: AttestationService,
) -> None:
    block = _block(_PAGE, "product_id=7").replace(_ISSUER, service.issuer)
    policy = "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU"
    verifier = _run(block)["verifier"]
    verify = _block(_PAGE, "except TokenError")

    good = service.token(x_ms_policy_hash=policy, nonce="the nonce that you sent")
    bad = service.token(x_ms_policy_hash="another", x_ms_sgx_svn=2)

    with verifier:
        assert _told(verify, verifier=verifier, token=good) == "3\n"
        assert _told(verify, verifier=verifier, token=bad) == (
            "['token.claims.requirement', 'token.claims.policy_hash', 'token.claims.nonce']\n"
        )


def test_a_mistake_is_told_as_the_page_says() -> None:
    block = _block(_PAGE, "mrsinger")

    assert _told(block).strip() in block


def test_keys_come_from_a_file_or_over_roots_of_ones_own(
    service: AttestationService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("certs.json").write_bytes(service.key_set)
    certificate, _ = tls_identity("127.0.0.1", at=clock.now())
    Path("ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

    found = _run(_block(_PAGE, "load_key_set(Path"), ISSUER=service.issuer)

    for name in ("offline", "private"):
        with found[name] as verifier:
            assert verifier.verify(service.token()).signed


def test_the_services_own_evidence_is_demanded_as_the_page_says(
    service: AttestationService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("collateral").mkdir()
    at = clock.now()
    stored = encode_collateral(SimulatedPlatform.create(at).collateral(at))
    Path("collateral/set.json").write_bytes(stored)

    found = _run(_block(_PAGE, "StoredSource(Path"), ISSUER=service.issuer, Path=Path)

    with found["verifier"] as verifier, pytest.raises(Exception, match="evidence") as caught:
        verifier.verify(service.token())
    assert [one.check for one in caught.value.findings] == ["token.signer.evidence_missing"]  # type: ignore[attr-defined]


def test_an_event_loop_verifies_as_the_page_says(service: AttestationService) -> None:
    found = _run(
        _block(_PAGE, "await verifier.verify"),
        ISSUER=service.issuer,
        require=require,
        token=service.token(),
    )

    assert found["verified"].signed


@pytest.mark.parametrize("marker", ["AttestationMiddleware", "FastAPI()"])
def test_web_applications_are_guarded_as_the_page_says(
    service: AttestationService, marker: str
) -> None:
    async def main() -> list[int]:
        async with AsyncTokenVerifier(service.issuer, require(svn__ge=3)) as verifier:
            found = await _waiting(_block(_PAGE, marker), {"verifier": verifier})
            transport = httpx2.ASGITransport(found["app"])
            async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
                good, bad = [
                    await client.get("/secret", headers={"Authorization": f"Bearer {token}"})
                    for token in (service.token(), service.token(x_ms_sgx_svn=2))
                ]
                assert good.json() == {"svn": 3}
                return [good.status_code, bad.status_code]

    assert asyncio.run(main()) == [200, 401]


def test_grpc_is_guarded_as_the_page_says(service: AttestationService) -> None:
    async def main() -> bytes:
        async with AsyncTokenVerifier(service.issuer, require(svn__ge=3)) as verifier:
            found = await _waiting(_block(_PAGE, "grpc.aio.server"), {"verifier": verifier})
            server = found["server"]
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    call = channel.unary_unary("/example.Secrets/Secret")
                    metadata = [("authorization", f"Bearer {service.token()}")]
                    answer: bytes = await call(b"", metadata=metadata)
                    return answer
            finally:
                await server.stop(None)

    assert asyncio.run(main()) == b"3"


def test_the_page_names_every_demand_and_every_short_name() -> None:
    demands = {row[0].strip("`") for row in rows(section(_PAGE, "What you demand"))}

    assert demands >= set(TokenDemands.__dataclass_fields__)
    text = section(_PAGE, "What you demand")
    assert all(f"`{name}`" in text for name in SHORT_NAMES)


def test_every_block_of_the_page_is_run() -> None:
    assert len(blocks(_PAGE, "python")) == 9
    assert len(blocks(_RELEASE_PAGE, "python")) == 2


# Key release.


def _write_broker(folder: Path, service: AttestationService) -> Path:
    (text,) = blocks(_RELEASE_PAGE, "toml")
    file = folder / "broker.toml"
    file.write_text(text.replace(_ISSUER, service.issuer))
    (folder / "sealing.key").write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    (folder / "sealing.key").chmod(0o600)
    sealed = CliRunner().invoke(
        app, ["keyrelease", "seal", "--settings", str(file), "database"], input="the value"
    )
    assert sealed.exit_code == 0, sealed.stderr
    return file


def test_an_enclave_gets_its_secret_as_the_page_says(
    service: AttestationService, tmp_path: Path
) -> None:
    file = _write_broker(tmp_path, service)
    command = ("keyrelease", "serve", "--settings", str(file), "--port", "0")

    def attest(*, report_data: bytes, runtime_data: bytes) -> str:
        assert len(report_data) == 64
        return service.token(x_ms_runtime=json.loads(runtime_data))

    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "assay", *command], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            found = _run(_block(_RELEASE_PAGE, "BrokerClient(BROKER)"), BROKER=url, attest=attest)
        finally:
            process.terminate()

    assert found["secret"] == b"the value"
    verified = CliRunner().invoke(app, ["audit", "verify", str(tmp_path / "releases.jsonl")])
    assert verified.exit_code == 0
    assert "records" in verified.stdout


def test_a_vault_releases_a_key_as_the_page_says(
    service: AttestationService, tmp_path: Path
) -> None:
    (tmp_path / "certs.json").write_bytes(service.key_set)
    key, context = ReleaseKey.generate(), release_context()
    found = _run(
        _block(_RELEASE_PAGE, "attested_key(verified.claims)"),
        verifier=TokenVerifier(service.issuer, keys=load_key_set(tmp_path / "certs.json")),
        token=service.token(x_ms_runtime=json.loads(key.runtime_data(context))),
        context=context,
        secret=b"a key",
    )

    assert key.unwrap(found["envelope"], context) == b"a key"


def test_the_page_names_every_setting_with_its_default(
    service: AttestationService, tmp_path: Path
) -> None:
    told = {
        name: default
        for names, default, _ in rows(section(_RELEASE_PAGE, "The broker"))
        for name in names.replace("`", "").split(", ")
    }

    fields = set(BrokerSettings.__struct_fields__) - {"secrets", "service_evidence", "tls"}
    secret = {f"secrets.NAME.{name}" for name in SecretSettings.__struct_fields__}
    evidence = {f"service_evidence.{name}" for name in EvidenceSettings.__struct_fields__}
    assert set(told) == fields | secret | evidence | {"tls.certificate", "tls.key"}
    settings = load_broker_file(_write_broker(tmp_path, service)).settings
    for name in ("challenge_seconds", "token_seconds", "clock_skew_seconds"):
        assert told[name] == str(getattr(settings, name))
    assert told["host"] == f"{settings.host}, {settings.port}"
