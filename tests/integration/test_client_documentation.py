"""The pages about the client library: every block of Python runs, and prints what they say."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from azure.core.credentials import AccessToken
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.keys import load_key_encryption_key
from assay.service.instance_options import InstanceOptions
from assay.service.keys import KeyChest
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.simulator import SimulatedPlatform, save_platform
from assay.store import Author, Store, TrustModel
from tests.administration import PERMIT, certify, rsa_key
from tests.client_reference import PAGE, reference
from tests.clients import wait_for_instance
from tests.documentation import matches, read_page
from tests.servers.tls import tls_identity
from tests.serving import running_server

_ADDRESS: Final = "https://attest.example.net"
_HELD: Final = b'{"key":"value"}'
_BLOCK: Final = re.compile(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """A server with the instances of the pages, and the files that they name."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Surroundings]:
    folder = tmp_path_factory.mktemp("pages")
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    owner = certify(rsa_key(), at=clock.now())
    quote = platform.quote(report_data=hashlib.sha256(_HELD).digest())
    files = {
        "quote.bin": quote,
        "internal-ca.pem": certificate.public_bytes(Encoding.PEM),
        "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "owner.pem": owner.public_bytes(Encoding.PEM),
        "owner.key": rsa_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "successor.pem": certify(rsa_key(1), "successor", at=clock.now()).public_bytes(
            Encoding.PEM
        ),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    flags = {
        "dev": True,
        "simulator": str(folder / "simulator"),
        "tls.certificate": str(folder / "internal-ca.pem"),
        "tls.key": str(folder / "tls.key"),
    }
    with running_server(folder, flags) as server:
        data = folder / "data"
        with contextlib.closing(Store.open(f"sqlite:///{data}/assay.sqlite3")) as store:
            encryption = load_key_encryption_key(data / "key-encryption.key")
            chest = KeyChest(store=store, key_encryption_key=encryption)
            ProvisioningService(chest=chest, now=clock.now).create(
                NewInstance(
                    name="vault",
                    issuer=f"{server.url}/vault",
                    trust_model=TrustModel.ISOLATED,
                    options=InstanceOptions(simulator=True),
                    signers=(owner,),
                ),
                by=Author(name="test"),
            )
        wait_for_instance(f"{server.url}/vault", folder / "internal-ca.pem")
        yield _Surroundings(server.url, folder)


class _Credential:
    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        return AccessToken("a token that a server in development does not look at", 1 << 40)


@pytest.mark.parametrize("page", ["client.md", "migrating.md"])
def test_every_example_runs_and_prints_what_the_page_says(
    page: str, surroundings: _Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(surroundings.folder)
    # Both libraries take whom to trust from the environment.
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(surroundings.folder / "internal-ca.pem"))
    names: dict[str, Any] = {"__name__": "page"}
    if page == "migrating.md":
        names |= {
            "credential": _Credential(),
            "quote": (surroundings.folder / "quote.bin").read_bytes(),
            "held": _HELD,
            "policy": PERMIT,
            "key_pem": (surroundings.folder / "owner.key").read_text(),
            "certificate_pem": (surroundings.folder / "owner.pem").read_text(),
        }
    found = _BLOCK.findall(read_page(page))
    assert len(found) > 5

    for code, expected in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            translated = code.replace(_ADDRESS, surroundings.url)
            exec(compile(translated, page, "exec"), names)  # noqa: S102  the page's own

        output = printed.getvalue().replace(surroundings.url, _ADDRESS)
        assert matches(expected, output), f"{code}\nprints\n{output}"


def test_the_reference_is_what_the_docstrings_say() -> None:
    # If it is not: `python -m tests.client_reference`.
    assert PAGE.read_text(encoding="utf-8") == reference()
