"""A running server over TLS with an instance of each trust model, as clients' own tests want it.

Its owner comes with a token of an OIDC issuer, and to the isolated instance with a key besides.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from assay import clock
from assay.encoding import encode_json
from assay.keys import load_key_encryption_key
from assay.service.instance_options import InstanceOptions
from assay.service.keys import KeyChest
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.simulator import SimulatedPlatform, save_platform
from assay.simulator.openenclave import legacy_report
from assay.store import Author, Store, TrustModel
from tests.administration import PrivateKey, certify, ec_key, rsa_key
from tests.servers.oidc import OidcIssuer, oidc_issuer
from tests.servers.tls import tls_identity
from tests.serving import running_server

MODELS: Final = {
    "aad": TrustModel.AAD,
    "isolated": TrustModel.ISOLATED,
    "shared": TrustModel.SHARED,
}
RUNTIME_DATA: Final = encode_json(
    {
        "jwk": {
            "crv": "P-256",
            "kty": "EC",
            "use": "sig",
            "x": "18wHLeIgW9wVN6VD1Txgpqy2LszYkMf6J8njVAibvhM",
            "y": "cV4dS4UaLMgP_4fY4j8ir7cl1TXlFdAgcx55o7TkcSA",
        }
    }
)
"""A key inside the enclave, as the clients' own tests have one."""

_BOUND: Final = hashlib.sha256(RUNTIME_DATA).digest()
_START_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Signer:
    """A key and its certificate, as the clients want them."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def x5c(self) -> str:
        return base64.b64encode(self._der).decode()

    @property
    def thumbprint(self) -> str:
        return hashlib.sha1(self._der, usedforsecurity=False).hexdigest().upper()

    @property
    def _der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class ThreeInstances:
    """The server, and what its owner and its attesters have."""

    base_url: str
    issuer: OidcIssuer
    ca_file: Path
    owner: Signer
    """The signer of the isolated instance."""

    stranger: Signer
    """Somebody whom no instance knows."""

    ec_stranger: Signer
    successor: Signer
    """Whom tests add, and remove again."""

    weak: Signer
    """Another, whose key is shorter than keys should be."""

    quote: bytes
    debug_quote: bytes
    """Of an enclave that can be debugged, product 1."""

    @property
    def report(self) -> bytes:
        """The quote as Open Enclave has it."""
        return legacy_report(self.quote)

    def url(self, instance: str) -> str:
        """What a client of an instance is pointed to."""
        return f"{self.base_url}/{instance}"

    def token(self) -> str:
        """The owner's bearer token."""
        return self.issuer.token("owner")

    def http(self) -> httpx2.Client:
        """A client without habits of its own: what a test sends is all that is sent."""
        client = httpx2.Client(
            verify=ssl.create_default_context(cafile=str(self.ca_file)), trust_env=False
        )
        client.headers.clear()
        return client


@contextmanager
def three_running_instances(folder: Path) -> Iterator[ThreeInstances]:
    """The server with its data in `folder`."""
    platform = SimulatedPlatform.create(clock.now())
    save_platform(platform, folder / "simulator")
    certificate, key = tls_identity("127.0.0.1", at=clock.now())
    identity = Signer(key, certificate)
    (folder / "tls.pem").write_text(identity.certificate_pem)
    (folder / "tls.key").write_text(identity.key_pem)
    with oidc_issuer() as issuer:
        flags = {
            "dev": True,
            "simulator": str(folder / "simulator"),
            "tls.certificate": str(folder / "tls.pem"),
            "tls.key": str(folder / "tls.key"),
            "auth.issuers": [issuer.settings({"owner": ["read", "write", "delete"]}, [*MODELS])],
        }
        with running_server(folder, flags) as server:
            found = ThreeInstances(
                base_url=server.url,
                issuer=issuer,
                ca_file=folder / "tls.pem",
                owner=_signer(rsa_key(), "owner"),
                stranger=_signer(rsa_key(5), "stranger"),
                ec_stranger=_signer(ec_key(5), "stranger with another key"),
                successor=_signer(rsa_key(6), "successor"),
                weak=_signer(rsa_key(7, 1024), "stranger with a short key"),
                quote=platform.quote(report_data=_BOUND),
                debug_quote=platform.quote(report_data=_BOUND, debug=True, isv_prod_id=1),
            )
            _create_instances(folder / "data", found)
            yield found


def _signer(key: PrivateKey, subject: str) -> Signer:
    return Signer(key, certify(key, subject, at=clock.now()))


def _create_instances(data: Path, service: ThreeInstances) -> None:
    key_encryption_key = load_key_encryption_key(data / "key-encryption.key")
    with closing(Store.open(f"sqlite:///{data}/assay.sqlite3")) as store:
        chest = KeyChest(store=store, key_encryption_key=key_encryption_key)
        provisioning = ProvisioningService(chest=chest, now=clock.now)
        for name, model in MODELS.items():
            isolated = model is TrustModel.ISOLATED
            provisioning.create(
                NewInstance(
                    name=name,
                    issuer=service.url(name),
                    trust_model=model,
                    options=InstanceOptions(simulator=True),
                    signers=(service.owner.certificate,) if isolated else (),
                ),
                by=Author(name="test"),
            )
    _wait_for(service, name)


def _wait_for(service: ThreeInstances, instance: str) -> None:
    """Until the server has seen what another process did."""
    deadline = time.monotonic() + _START_SECONDS
    with service.http() as client:
        while client.get(f"{service.url(instance)}/certs").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
