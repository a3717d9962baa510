"""A secret in every input, and in nothing that comes out: logs, errors, metrics, audit, terminals.

There are no traces to look at: the service has none but its log.
"""

from __future__ import annotations

import base64
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from typer.testing import CliRunner

from assay import clock
from assay.access import Grants, Right, issue_api_token
from assay.cli import app
from assay.cli.failure import DEBUG_VARIABLE
from assay.encoding import encode_base64url
from assay.simulator import SimulatedPlatform, save_platform
from assay.store import SERVICE, Store
from tests.administration import PERMIT, VERSION, certify, compact, stored_policy, unsecured
from tests.planted import SECRET, forms, traces
from tests.serving import running_server, sgx_request

_PLANTED: Final = SECRET.encode()
_PART: Final = encode_base64url(_PLANTED)
_POLICY: Final = f"/policies/SgxEnclave{VERSION}"
_ATTEST: Final = f"/attest/SgxEnclave{VERSION}"
_KEY: Final = ec.derive_private_key(int.from_bytes(_PLANTED, "big"), ec.SECP256R1())
"""A private key whose number is the secret."""


def _private_jwk() -> dict[str, str]:
    point = _KEY.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": encode_base64url(point.x.to_bytes(32, "big")),
        "y": encode_base64url(point.y.to_bytes(32, "big")),
        "d": encode_base64url(bytes(32 - len(_PLANTED)) + _PLANTED),
    }


def _pem() -> bytes:
    return _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class _Service:
    """A server that has a database, an issuer and API tokens to look into."""

    url: str
    log: Path
    store: Store
    reader: str
    """An API token that may read, and no more."""

    writer: str
    """One that may set policies."""

    evidence: dict[str, Any]

    def outputs(self) -> bytes:
        """All that it says to anybody but the caller."""
        metrics = httpx2.get(f"{self.url}/metrics", timeout=60, trust_env=False).content
        return b"\n".join((self.log.read_bytes(), metrics, *self.store.audit.lines()))

    def send(self, method: str, path: str, **options: Any) -> httpx2.Response:  # noqa: ANN401
        url = f"{self.url}{path}"
        return httpx2.request(method, url, timeout=60, trust_env=False, **options)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Service]:
    folder = tmp_path_factory.mktemp("planted")
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "machine")
    flags = {
        "dev": True,
        "metrics": True,
        "simulator": str(folder / "machine"),
        "instance.token_algorithm": "ES256",
        "auth.issuers": [{"issuer": "https://issuer.example", "audiences": ["assay"]}],
    }
    reader, writer = (
        issue_api_token(
            right, Grants.of((right,), ("*",)), created_at=clock.now(), lifetime=timedelta(days=1)
        )
        for right in (Right.READ, Right.WRITE)
    )
    with (
        running_server(folder, flags) as server,
        closing(Store.open(f"sqlite:///{folder}/data/assay.sqlite3")) as store,
    ):
        for issued in (reader, writer):
            store.api_tokens.add(issued.token, by=SERVICE)
        evidence = sgx_request(platform=platform)
        yield _Service(server.url, server.log, store, reader.text, writer.text, evidence)


def _bearer(text: str) -> Callable[[_Service], httpx2.Response]:
    return lambda service: service.send(
        "PUT", _POLICY, content=b"x", headers={"authorization": f"Bearer {text}"}
    )


def _header(name: str, value: str) -> Callable[[_Service], httpx2.Response]:
    return lambda service: service.send("PUT", _POLICY, content=b"x", headers={name: value})


def _attest(**changes: Any) -> Callable[[_Service], httpx2.Response]:  # noqa: ANN401
    return lambda service: service.send("POST", _ATTEST, json={**service.evidence, **changes})


def _set(body: bytes | str) -> Callable[[_Service], httpx2.Response]:
    """A body that comes from somebody who may send one."""
    return lambda service: service.send(
        "PUT", _POLICY, content=body, headers={"authorization": f"Bearer {service.writer}"}
    )


def _jwt(**claims: object) -> str:
    header = {"alg": "ES256", "kid": SECRET, "typ": "JWT"}
    return compact(header, json.dumps({"jti": SECRET, **claims}).encode(), _PLANTED)


_REQUESTS: Final[dict[str, Callable[[_Service], httpx2.Response]]] = {
    "text for a bearer token": _bearer(SECRET),
    "a bearer token of a stranger": _bearer(_jwt(iss="https://other.example", sub=SECRET)),
    "a bearer token of the issuer": _bearer(_jwt(iss="https://issuer.example", sub=SECRET)),
    "a bearer token without a signature": _bearer(unsecured(json.dumps({"s": SECRET}).encode())),
    "an API token that was mistyped": _bearer(f"assay_abcdefghijklmnop_{SECRET.lower():a<59}"),
    "two credentials": lambda service: service.send(
        "PUT",
        _POLICY,
        content=b"x",
        headers=[("authorization", f"Bearer {SECRET}"), ("authorization", f"Basic {_PART}")],
    ),
    "a password": _header("authorization", f"Basic {_PART}"),
    "a scheme": _header("authorization", f"{SECRET} {SECRET}"),
    "a cookie": _header("cookie", f"session={SECRET}"),
    "a header of no meaning": _header("x-api-key", SECRET),
    "a query": lambda service: service.send("GET", f"{_POLICY}&access_token={SECRET}"),
    "a version": lambda service: service.send("GET", f"/certs?api-version={SECRET}&code={SECRET}"),
    "a policy that is no JWS": _set(SECRET),
    "a policy with it in its header": _set(
        compact({"alg": "ES256", "jwk": _private_jwk()}, stored_policy(PERMIT), b"x")
    ),
    "a policy with it as signature": _set(
        compact({"alg": "RS256"}, stored_policy(PERMIT), _PLANTED)
    ),
    "a policy that does not parse": _set(
        unsecured(stored_policy(f"version= 1.0; {{}} // {SECRET}"))
    ),
    "a policy that is a JWS": _set(unsecured(stored_policy(unsecured(_PLANTED)))),
    "a policy with it in its payload": _set(unsecured(json.dumps({"key": SECRET}).encode())),
    "a quote": _attest(quote=_PART),
    "a quote that is no base64": _attest(quote=f"{SECRET}!"),
    "runtime data that is not bound": _attest(runtimeData={"data": _PART, "dataType": "Binary"}),
    "runtime data that is not JSON": _attest(runtimeData={"data": _PART, "dataType": "JSON"}),
    "runtime data of no kind": _attest(runtimeData={"data": _PART, "dataType": "x"}),
    "init-time data": _attest(initTimeData={"data": _PART, "dataType": "Binary"}),
    "a draft policy that does not parse": _attest(
        draftPolicyForAttestation=f"version= 1.0; {{}} // {SECRET}"
    ),
    "a draft policy": _attest(draftPolicyForAttestation=unsecured(_PLANTED)),
    "a body that is no JSON": lambda service: service.send(
        "POST",
        _ATTEST,
        content=f'{{"quote": "{SECRET}',
        headers={"content-type": "application/json"},
    ),
    "a member that is a list": _attest(runtimeData=[{"password": SECRET}]),
    "a private key as runtime data": _attest(
        runtimeData={"data": encode_base64url(_pem()), "dataType": "Binary"}
    ),
}


@pytest.mark.parametrize("name", _REQUESTS)
def test_no_secret_of_a_request_comes_out(name: str, service: _Service) -> None:
    answer = _REQUESTS[name](service)

    assert answer.status_code >= 400 or name == "a version"
    headers = b"\n".join(line for pair in answer.headers.raw for line in pair)
    assert traces(_PLANTED, service.outputs(), answer.content, headers) == []


def test_a_token_that_is_good_comes_out_nowhere(service: _Service) -> None:
    secret = service.reader.rpartition("_")[2].encode()
    headers = {"authorization": f"Bearer {service.reader}"}

    read = service.send("GET", _POLICY, headers=headers)
    refused = service.send(
        "PUT", _POLICY, content=unsecured(stored_policy(PERMIT)), headers=headers
    )

    assert (read.status_code, refused.status_code) == (200, 401)
    outputs = service.outputs()
    assert traces(secret, outputs, read.content, refused.content) == []
    assert b'"access.rights.missing"' in outputs


def test_evidence_that_is_permitted_is_in_the_token_and_nowhere_else(service: _Service) -> None:
    answer = service.send("POST", _ATTEST, json={**service.evidence, "nonce": SECRET})

    assert answer.status_code == 200
    assert traces(_PLANTED, answer.content)
    assert traces(_PLANTED, service.outputs()) == []


def test_the_key_encryption_key_and_signing_keys_come_out_nowhere(service: _Service) -> None:
    [key] = service.log.parent.joinpath("data").glob("*.key")

    assert traces(key.read_bytes(), service.outputs()) == []
    assert traces(service.store.signing_keys.of("default")[0].sealed[:64], service.outputs()) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service's data, and files that hold the secret."""
    found = tmp_path_factory.mktemp("files")
    certificate = certify(_KEY, "owner", at=clock.now()).public_bytes(Encoding.PEM)
    locked = _KEY.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(_PLANTED)
    )
    files = {
        "owner.key": _pem(),
        "locked.key": locked,
        "owner.pem": certificate,
        "both.pem": _pem() + certificate,
        "text": _PLANTED,
        "torn.key": b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(_PLANTED) + b"\n",
        "some.policy": PERMIT.encode(),
        "cut.toml": f'port = 1\ndatabase = "postgresql://assay:{SECRET}@db/assay'.encode(),
        "list.toml": f'database = ["postgresql://assay:{SECRET}@db/assay"]\n'.encode(),
        "table.toml": f'[database]\npassword = "{SECRET}"\n'.encode(),
        "key.toml": f'key_encryption_key = "{_PART}"\n'.encode(),
        "url.toml": f'[instance]\npublic_url = "https://u:{SECRET}@host/"\n'.encode(),
        "pccs.toml": f'[collateral]\nsource = "pccs"\nurl = "http://u:{SECRET}@h"\n'.encode(),
        "issuer.toml": (
            f'[[auth.issuers]]\nissuer = "http://u:{SECRET}@h"\naudiences = ["a"]\n'.encode()
        ),
        "pin.toml": f'[pkcs11]\npin = "{SECRET}"\n'.encode(),
        "audit.jsonl": json.dumps({"token": SECRET}).encode(),
    }
    for name, content in files.items():
        (found / name).write_bytes(content)
    create = ["instance", "create", "one", "--url", "https://one.example"]
    made = CliRunner().invoke(
        app, [*create, "--token-algorithm", "ES256"], env={"ASSAY_DATA_DIR": str(found / "data")}
    )
    assert made.exit_code == 0, made.stderr
    return found


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the place where commands run."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(folder / "data"))
    return folder


_SETTINGS: Final = ("cut", "list", "table", "key", "pin", "url", "pccs", "issuer")
_DATABASES: Final = (
    f"postgresql://assay:{SECRET}@127.0.0.1:1/assay",
    f"postgresql://assay@127.0.0.1:1/assay?password={SECRET}",
    f"mysql://assay:{SECRET}@db/assay",
    f"postgresql://assay:{SECRET}@db:port/assay",
    f"{SECRET}",
)
_SET: Final = ("instance", "policy", "set", "one", "Tpm", "some.policy")
_COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    **{
        f"{command[-1]} of {name}.toml": (*command, *option, f"{name}.toml")
        for name in _SETTINGS
        for command, option in (
            (("config", "validate"), ()),
            (("config", "show"), ("--origin", "--settings")),
            (("doctor",), ("--settings",)),
            (("db", "check"), ("--settings",)),
            (("serve",), ("--port", "0", "--settings")),
        )
        if (command[0], name) != ("serve", "pccs")
    },
    "sign with text": (*_SET, "--key", "text", "--certificate", "owner.pem"),
    "sign with a torn key": (*_SET, "--key", "torn.key", "--certificate", "owner.pem"),
    "sign with a locked key": (*_SET, "--key", "locked.key", "--certificate", "owner.pem"),
    "sign with the key as certificate": (*_SET, "--key", "owner.key", "--certificate", "owner.key"),
    "sign": (*_SET, "--key", "owner.key", "--certificate", "both.pem"),
    "a key as a policy": ("instance", "policy", "set", "one", "Tpm", "owner.key", "--jws"),
    "a key as a signer": ("instance", "signer", "add", "one", "owner.key"),
    "a key as a first signer": (
        *("instance", "create", "two", "--trust-model", "Isolated"),
        *("--signer", "owner.key"),
    ),
    "a key as a root": ("instance", "create", "two", "--root", "owner.key"),
    "a key as a bundle's key": ("collateral", "export", "text", "--key", "torn.key", "--out", "x"),
    "a key to verify with": ("token", "verify", "text", "--pem", "owner.key"),
    "a key as a token": ("token", "verify", "owner.key", "--jwks", "text"),
    "text as evidence": ("attest", "text", "--url", f"http://u:{SECRET}@127.0.0.1:1"),
    "a URL of no kind": ("attest", "text", "--url", f"ftp://u:{SECRET}@127.0.0.1:1"),
    "a URL of an instance": ("instance", "create", "two", "--url", f"https://u:{SECRET}@two"),
    "a source": ("collateral", "fetch", "text", "--source", f"pccs:http://u:{SECRET}@h"),
    "a whole API token": ("token-auth", "revoke", f"assay_abcdefghijklmnop_{SECRET}"),
    "an export": ("audit", "verify", "audit.jsonl"),
    "text to decide by": ("appraise", "text", "--collateral", "text"),
}


@pytest.mark.parametrize("name", _COMMANDS)
@pytest.mark.usefixtures("home")
def test_no_secret_of_a_file_or_an_option_comes_out(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    _expect_no_trace(_COMMANDS[name], caplog)


@pytest.mark.parametrize("url", _DATABASES)
@pytest.mark.parametrize(
    "command",
    [
        ("config", "show", "--origin"),
        ("config", "validate"),
        ("db", "check"),
        ("db", "upgrade"),
        ("instance", "list"),
        ("serve", "--port", "0"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("home")
def test_no_password_of_a_database_comes_out(
    command: tuple[str, ...],
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ASSAY_DATABASE", url)
    monkeypatch.setenv("ASSAY_INSTANCE_PUBLIC_URL", "https://attest.example")

    _expect_no_trace(command, caplog)


@pytest.mark.parametrize("text", [SECRET, _PART, base64.b64encode(_PLANTED.ljust(32)).decode()])
@pytest.mark.parametrize("command", [("config", "show", "--origin"), ("db", "check"), ("doctor",)])
@pytest.mark.usefixtures("home")
def test_no_key_encryption_key_comes_out(
    command: tuple[str, ...],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ASSAY_KEY_ENCRYPTION_KEY", text)

    _expect_no_trace(command, caplog)


@pytest.mark.parametrize(
    "command",
    [("config", "show", "--origin"), ("config", "validate"), ("db", "check"), ("doctor",)],
    ids=" ".join,
)
@pytest.mark.parametrize("module", ["none.so", "text"])
@pytest.mark.usefixtures("home")
def test_no_pin_of_a_token_comes_out(
    command: tuple[str, ...],
    module: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ASSAY_PKCS11_MODULE", module)
    monkeypatch.setenv("ASSAY_PKCS11_TOKEN", "token")
    monkeypatch.setenv("ASSAY_PKCS11_PIN", SECRET)
    monkeypatch.setenv("ASSAY_KEYS_CUSTODY", "token")

    _expect_no_trace(command, caplog)


def test_a_key_in_a_file_comes_out_nowhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(home / "data", tmp_path / "data")
    (tmp_path / "data" / "key-encryption.key").write_bytes(_PLANTED)
    monkeypatch.setenv("ASSAY_DATA_DIR", str(tmp_path / "data"))

    for command in (("db", "check"), ("doctor",), ("instance", "list")):
        _expect_no_trace(command, caplog)


def test_a_new_api_token_is_shown_once(home: Path) -> None:
    assert home.exists()
    create = ["token-auth", "create", "ci", "--right", "read", "--instance", "one"]
    shown = CliRunner().invoke(app, create).stdout
    secret = shown.strip().rpartition("_")[2].encode()

    for command in (["token-auth", "list", "--json"], ["audit", "export"], ["db", "check"]):
        outcome = CliRunner().invoke(app, command)
        assert traces(secret, outcome.stdout.encode(), outcome.stderr.encode()) == []


def _expect_no_trace(command: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    """Run a command, with and without its debugging output; whatever it ends with."""
    caplog.set_level(logging.DEBUG)
    said = []
    for environment in ({}, {DEBUG_VARIABLE: "1"}):
        outcome = CliRunner().invoke(app, command, env=environment)
        said += [outcome.stdout, outcome.stderr]
    said += [caplog.text, CliRunner().invoke(app, ["audit", "export"]).stdout]

    assert traces(_PLANTED, *(text.encode() for text in said)) == [], said


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_a_secret_would_be_found_in_any_form(before: str) -> None:
    for form, text in forms(_PLANTED).items():
        assert form in traces(_PLANTED, b"around" + text + b"it")
    encoded = base64.b64encode(f"{before}{SECRET}, and more".encode())
    assert traces(_PLANTED, encoded)
    assert traces(_PLANTED, encoded[:20] + b"\n" + encoded[20:])
    assert traces(_PLANTED, b"nothing") == []
