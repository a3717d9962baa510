from __future__ import annotations

import asyncio
import base64
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.types import ASGIApp

from assay import clock
from assay.errors import SettingsError
from assay.evidence.openenclave import parse_certificate
from assay.keys.pkcs11 import TokenAddress
from assay.server.app import create_app
from assay.server.assembly import open_services, prepare
from assay.server.settings import Settings
from assay.server.settings_reader import load_settings
from assay.server.signing_keys import EvidenceCommand
from assay.simulator import save_platform
from assay.token import TokenExpectations, parse_key_set, verify_token
from tests.conftest import AT
from tests.serving import VERSION, Log, call, make_telemetry, sgx_request, simulated_platform
from tests.tokens import PIN, SoftHsm

Start: TypeAlias = Callable[..., tuple[ASGIApp, Log]]

_ATTEST: Final = f"/attest/SgxEnclave{VERSION}"
_PORT: Final = 81


@pytest.fixture(scope="module")
def address(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> TokenAddress:
    """A token with a key to certify with."""
    address = softhsm.create()
    file = tmp_path_factory.mktemp("authority") / "key.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    softhsm.import_key(address, file, "authority")
    return address


def _settings(folder: Path, address: TokenAddress | None = None, **more: object) -> Settings:
    save_platform(simulated_platform(), folder / "simulator")
    flags: dict[str, object] = {
        "dev": True,
        "simulator": folder / "simulator",
        "verify_at": AT.isoformat(),
        "data_dir": folder / "data",
        "instance.token_algorithm": "ES256",
    }
    if address is not None:
        pin = folder / "pin"
        pin.write_text(f"{address.pin}\n")
        pin.chmod(0o600)
        flags |= {
            "pkcs11.module": address.module,
            "pkcs11.token": address.label,
            "pkcs11.pin_file": pin,
        }
    return load_settings(environment={}, flags={**flags, **more})


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Starts a server in this process, and stops it at the end."""
    opened = []

    def start(address: TokenAddress | None = None, **more: object) -> tuple[ASGIApp, Log]:
        settings = _settings(tmp_path, address, **more)
        prepare(settings, port=_PORT)
        telemetry, log = make_telemetry()
        services = open_services(settings, telemetry)
        opened.append(services)
        return create_app(services), log

    yield start

    async def close() -> None:
        for services in opened:
            await services.close()

    asyncio.run(close())


def _attest(app: ASGIApp) -> httpx2.Response:
    return call(app, "POST", _ATTEST, json=sgx_request())


def _verify(app: ASGIApp, answer: httpx2.Response) -> None:
    assert answer.status_code == 200, answer.text
    keys = parse_key_set(call(app, "GET", "/certs").content)
    expected = TokenExpectations(issuer=f"http://127.0.0.1:{_PORT}")
    verify_token(answer.json()["token"], keys, at=clock.now(), expect=expected)


def _chain(app: ASGIApp) -> list[x509.Certificate]:
    [key] = call(app, "GET", "/certs").json()["keys"]
    return [x509.load_der_x509_certificate(base64.b64decode(one)) for one in key["x5c"]]


def test_a_server_signs_with_a_key_in_a_token(
    serve: Start,
    address: TokenAddress,
) -> None:
    app, _ = serve(address, **{"keys.custody": "token"})

    _verify(app, _attest(app))
    assert len(_chain(app)) == 1


def test_without_its_token_a_server_says_so_and_goes_on_when_it_is_back(
    serve: Start,
    address: TokenAddress,
    softhsm: SoftHsm,
) -> None:
    app, log = serve(address, **{"keys.custody": "token"})
    assert _attest(app).status_code == 200

    with softhsm.unplugged():
        away = _attest(app)
        published = call(app, "GET", "/certs")

    assert away.status_code == 503
    assert away.json()["error"]["code"] == "SigningUnavailable"
    assert away.headers["retry-after"] == "5"
    assert address.label not in away.text
    assert address.label in log.lines[-2]["reason"]
    assert PIN not in log.stream.getvalue().decode()
    assert published.status_code == 200
    time.sleep(1)
    _verify(app, _attest(app))


def test_the_token_is_not_on_the_way_of_delegated_keys(
    serve: Start,
    address: TokenAddress,
    softhsm: SoftHsm,
) -> None:
    app, _ = serve(address, **{"keys.custody": "delegated", "pkcs11.key": "authority"})

    with softhsm.unplugged():
        _verify(app, _attest(app))

    leaf, authority = _chain(app)
    leaf.verify_directly_issued_by(authority)
    assert authority.subject == authority.issuer == leaf.issuer


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"keys.custody": "delegated", "pkcs11.key": "none"}, "has no such key"),
        ({"keys.custody": "token", "pkcs11.token": "none"}, "is not there; plug it in"),
        ({"keys.custody": "token", "pkcs11.module": "/none.so"}, r"/none\.so is not there"),
    ],
)
def test_a_token_that_is_not_as_the_settings_say_stops_the_start(
    tmp_path: Path, address: TokenAddress, more: dict[str, object], expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected) as caught:
        prepare(_settings(tmp_path, address, **more), port=_PORT)

    assert PIN not in str(caught.getrepr(style="long", chain=True))


def test_a_wrong_pin_stops_the_start(tmp_path: Path, softhsm: SoftHsm) -> None:
    settings = _settings(tmp_path, softhsm.create(), **{"keys.custody": "token"})
    (tmp_path / "pin").write_text("another")

    with pytest.raises(SettingsError, match="refuses the PIN"):
        prepare(settings, port=_PORT)


def test_a_pin_may_be_a_variable(tmp_path: Path, address: TokenAddress) -> None:
    flags = {
        "data_dir": tmp_path / "data",
        "keys.custody": "token",
        "pkcs11.module": address.module,
        "pkcs11.token": address.label,
        "instance.token_algorithm": "ES256",
    }
    settings = load_settings(environment={"ASSAY_PKCS11_PIN": address.pin}, flags=flags)

    prepare(settings, port=_PORT)

    assert PIN not in repr(settings)


# Evidence.

_PROGRAM: Final = """
import pathlib, sys
from assay.simulator import load_platform
from assay.simulator.openenclave import legacy_report
platform = load_platform(pathlib.Path(sys.argv[1]))
report = legacy_report(platform.quote(report_data=bytes.fromhex(sys.argv[2])))
sys.stdout.buffer.write(report)
"""


def test_a_server_puts_its_own_evidence_into_its_certificates(
    serve: Start,
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "simulator")]
    app, _ = serve(**{"keys.evidence_command": command})

    [certificate] = _chain(app)

    evidence = parse_certificate(certificate.public_bytes(Encoding.DER)).evidence
    assert evidence.quote.body.report_data[32:] == bytes(32)
    _verify(app, _attest(app))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("/none/such",), "cannot be run: No such file"),
        (("sh", "-c", "echo no enclave >&2; exit 3"), "sh ended with 3: no enclave;"),
        (("false",), "ended with 1: it said nothing"),
        (("sh", "-c", "sleep 60"), r"takes longer than 0\.2 seconds"),
    ],
)
def test_a_command_that_makes_no_evidence_is_told(command: tuple[str, ...], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        EvidenceCommand(command=command, seconds=0.2)(bytes(64))


def test_a_command_gets_the_report_data_as_its_last_argument() -> None:
    command = EvidenceCommand(command=("printf", "%s"), seconds=10)

    assert command(bytes(range(64))) == bytes(range(64)).hex().encode()


def test_a_command_learns_nothing_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_PKCS11_PIN", PIN)
    monkeypatch.setenv("OTHER", "other")

    printed = EvidenceCommand(command=("sh", "-c", "env"), seconds=10)(bytes(64)).decode()

    assert PIN not in printed
    assert "OTHER=other" in printed


def test_a_command_that_prints_something_else_stops_the_start(tmp_path: Path) -> None:
    settings = _settings(tmp_path, None, **{"keys.evidence_command": ["echo"]})

    with pytest.raises(SettingsError, match="is no evidence about signing key"):
        prepare(settings, port=_PORT)
