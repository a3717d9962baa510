"""`docs/management.md`: its code run against a server, its tables compared with the source."""

from __future__ import annotations

import os
import re
import shlex
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from azure.core.exceptions import HttpResponseError
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.access import Grants, IssuedApiToken, Right, issue_api_token
from assay.server.arm.errors import ArmRefusal
from assay.server.arm.operations import ARM_OPERATIONS
from assay.server.arm.versions import FIRST, PREVIEW, VERSIONS
from assay.server.settings_reader import load_settings
from assay.store import Author, Store
from tests.administration import certify, rsa_key
from tests.documentation import blocks, read_page, rows, section
from tests.servers.tls import tls_identity
from tests.serving import running_server

_PAGE: Final = read_page("management.md")
_ADDRESS: Final = "https://attest.example.com"


@dataclass(frozen=True, slots=True)
class _Service:
    url: str
    certificate: Path
    token: str
    reader: str
    store: Store


def _issue(store: Store, *rights: Right) -> str:
    issued: IssuedApiToken = issue_api_token(
        "deployment",
        Grants.of(rights, ["*"]),
        created_at=clock.now(),
        lifetime=timedelta(days=1),
    )
    store.api_tokens.add(issued.token, by=Author(name="test"))
    return issued.text


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Service]:
    """A server that is no development server: it wants a credential."""
    folder = tmp_path_factory.mktemp("management")
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    files = folder / "ca.pem", folder / "tls.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    owner = certify(rsa_key(), at=clock.now())
    (folder / "owner.pem").write_bytes(owner.public_bytes(Encoding.PEM))
    flags = {
        "tls.certificate": str(files[0]),
        "tls.key": str(files[1]),
        "management.enabled": True,
        "management.locations": ["datacentre1", "datacentre2"],
    }
    with running_server(folder, flags) as server:
        store = Store.open(f"sqlite:///{folder}/data/assay.sqlite3")
        yield _Service(
            url=server.url,
            certificate=files[0],
            token=_issue(store, *Right),
            reader=_issue(store, Right.READ),
            store=store,
        )
        store.close()


def _run_code(service: _Service, token: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    [code] = blocks(_PAGE, "python")
    monkeypatch.setenv("DEPLOYMENT_TOKEN", token)
    monkeypatch.chdir(service.certificate.parent)
    found: dict[str, Any] = {"os": os}
    exec(code.replace(_ADDRESS, service.url), found)  # noqa: S102  the page's own code
    return found


def test_the_code_does_what_it_says(service: _Service, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _run_code(service, service.token, monkeypatch)

    assert found["payments"].properties.trust_model == "AAD"
    assert found["payments"].properties.attest_uri == f"{service.url}/payments"
    assert found["payments"].system_data.created_by == "deployment"
    assert found["payments"].system_data.created_by_type == "Key"
    assert found["vault"].properties.trust_model == "Isolated"
    assert found["names"] == ["payments", "vault"]
    kept = service.store.instances.require("payments")
    assert (kept.tags, kept.region) == ({"team": "cards"}, "datacentre1")
    assert service.store.instances.get("vault") is None


def test_a_reader_makes_nothing(service: _Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HttpResponseError) as caught:
        _run_code(service, service.reader, monkeypatch)

    assert caught.value.status_code == 403
    assert caught.value.error is not None
    assert caught.value.error.code == "AuthorizationFailed"


def test_the_command_makes_the_same(service: _Service) -> None:
    [command] = blocks(_PAGE, "sh")
    text = command.replace("\\\n", "").replace(_ADDRESS, service.url)
    given = iter(shlex.split(text.replace("$DEPLOYMENT_TOKEN", service.token))[1:])
    options, addresses = {}, []
    for word in given:
        if word.startswith("--"):
            options[word] = next(given)
        else:
            addresses.append(word)

    assert options.pop("--cacert") == service.certificate.name
    name, _, value = options.pop("--header").partition(": ")
    with httpx2.Client(
        verify=ssl.create_default_context(cafile=str(service.certificate))
    ) as client:
        answer = client.request(
            options.pop("--request"),
            *addresses,
            content=options.pop("--json"),
            headers={name: value, "content-type": "application/json"},
        )

    assert options == {}
    assert answer.status_code in {200, 201}
    assert answer.json()["name"] == "payments"


def test_the_settings_are_ones(tmp_path: Path) -> None:
    [text] = blocks(_PAGE, "toml")
    file = tmp_path / "assay.toml"
    file.write_text(text)

    settings = load_settings(file=file, environment={})

    assert settings.management.enabled
    assert settings.management.locations == ("datacentre1", "datacentre2")


def _since(since: str | None) -> str:
    if since is None:
        return "any date"
    return "all" if since == PREVIEW else f"since {since}"


def test_the_operations_are_those_of_the_code() -> None:
    documented = {
        (method, path.strip("`").lower(), versions)
        for methods, path, versions in rows(section(_PAGE, "What there is"))
        for method in methods.split(", ")
    }

    assert {
        (method, re.sub("^…", _long_prefix(), path), versions)
        for method, path, versions in documented
    } == {(one.method, one.path, _since(one.since)) for one in ARM_OPERATIONS}


def _long_prefix() -> str:
    path = next(one.path for one in ARM_OPERATIONS if one.path.endswith("/{provider}"))
    return path.removesuffix("/attestationproviders/{provider}")


def test_the_versions_are_those_of_the_code() -> None:
    listed = ", ".join(f"`{version}`" for version in VERSIONS[:-1])

    assert FIRST in VERSIONS
    assert f"The versions are {listed} and `{VERSIONS[-1]}`." in _PAGE


def test_the_codes_are_those_of_the_code() -> None:
    documented = {
        (int(status), code)
        for status, codes, _ in rows(section(_PAGE, "Errors"))
        for code in re.findall(r"`(\w+)`", codes)
    }

    assert {refusal.value for refusal in ArmRefusal} <= documented
