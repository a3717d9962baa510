"""What an owner sends, and instances to send it to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from starlette.types import ASGIApp

from assay.encoding import JsonValue, encode_base64url
from assay.keys import KeyEncryptionKey, seal_key
from assay.server.app import create_app
from assay.service.instances import Surroundings, create_instance, define_instance
from assay.service.keys import KeyChest
from assay.service.registry import InstanceRegistry
from assay.service.signers import signer_record
from assay.store import (
    Author,
    InstanceRecord,
    InstanceState,
    KeyState,
    SigningKeyRecord,
    Store,
    TrustModel,
)
from assay.token import TokenExpectations, parse_key_set, verify_token
from tests.conftest import AT
from tests.serving import (
    call,
    make_administration,
    make_services,
    signing_key,
    simulated_platform,
)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ALICE: Final = Author(name="alice", address="192.0.2.1")
PERMIT: Final = "version= 1.0;authorizationrules{=> permit();};"
DENY: Final = "version= 1.0;authorizationrules{=> deny();};"
UNSECURED_RESET: Final = "eyJhbGciOiJub25lIn0.."
VERSION: Final = "?api-version=2020-10-01"

_KEY_ENCRYPTION_KEY: Final = KeyEncryptionKey(bytes(32))


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key for each number, made once: making one takes long."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """A P-256 key for each number."""
    del number
    return ec.generate_private_key(ec.SECP256R1())


def certify(
    key: PrivateKey,
    subject: str = "owner",
    *,
    issuer: tuple[str, PrivateKey] | None = None,
    ca: bool | None = True,
    at: datetime = AT,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> x509.Certificate:
    """A certificate of a key, by itself or by another."""
    issuer_name, issuer_key = issuer or (subject, key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


@cache
def owner() -> x509.Certificate:
    """The certificate of `rsa_key()`, by itself."""
    return certify(rsa_key())


def x5c(*certificates: x509.Certificate) -> list[JsonValue]:
    """Certificates as a JWS has them."""
    return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in certificates]


def stored_policy(text: str) -> bytes:
    """The payload that sets a policy."""
    return json.dumps({"AttestationPolicy": encode_base64url(text.encode())}).encode()


def certificate_payload(certificate: x509.Certificate, claim: str = "policyCertificate") -> bytes:
    """The payload that adds or removes a signer."""
    return json.dumps({claim: {"kty": "RSA", "x5c": x5c(certificate)}}).encode()


def unsecured(payload: bytes) -> str:
    """A JWS that nobody signed."""
    return compact({"alg": "none"}, payload, b"")


def signed(
    payload: bytes,
    key: PrivateKey | None = None,
    *certificates: x509.Certificate,
    header: dict[str, Any] | None = None,
) -> str:
    """A JWS signed by `key`, or by the owner's; `header` in place of the one that fits."""
    signer = key or rsa_key()
    chain = certificates or (owner(),)
    alg = "RS256" if isinstance(signer, rsa.RSAPrivateKey) else "ES256"
    chosen = header or {"alg": alg, "x5c": x5c(*chain)}
    return compact(chosen, payload, sign(signer, signing_input(chosen, payload)))


def sign(key: PrivateKey, data: bytes, *, der: bool = False) -> bytes:
    """A signature as JWS has it, or in DER."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    signature = key.sign(data, ec.ECDSA(hashes.SHA256()))
    if der:
        return signature
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))


def signing_input(header: dict[str, Any], payload: bytes) -> bytes:
    """What is signed."""
    return f"{_part(json.dumps(header).encode())}.{_part(payload)}".encode()


def compact(header: dict[str, Any], payload: bytes, signature: bytes) -> str:
    """A JWS of any parts."""
    return f"{signing_input(header, payload).decode()}.{_part(signature)}"


@dataclass(frozen=True, slots=True)
class Hosted:
    """An application over a store with instances."""

    app: ASGIApp
    store: Store
    registry: InstanceRegistry

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:  # noqa: ANN401
        return call(self.app, method, path, **options)

    def claims(self, answer: httpx2.Response, instance: str) -> dict[str, JsonValue]:
        """What a token of the instance says, verified with the instance's own key set."""
        assert answer.status_code == 200, answer.text
        keys = parse_key_set(self.call("GET", f"/{instance}/certs").content)
        record = self.store.instances.require(instance)
        expected = TokenExpectations(issuer=record.issuer)
        return dict(verify_token(answer.json()["token"], keys, at=AT, expect=expected).claims)


def make_record(
    name: str,
    trust_model: TrustModel = TrustModel.AAD,
    **changes: Any,  # noqa: ANN401  fields by name
) -> InstanceRecord:
    """An instance that trusts the simulated platform."""
    record = InstanceRecord(
        name=name,
        issuer=f"https://{name}.example",
        trust_model=trust_model,
        settings={"simulator": True},
        created_at=AT,
    )
    return replace(record, **changes)


def add_instance(
    store: Store, record: InstanceRecord, signers: Sequence[x509.Certificate] = ()
) -> None:
    """Keep an instance with the one signing key of all tests."""
    key = signing_key()
    sealed = SigningKeyRecord(
        kid=key.kid,
        instance=record.name,
        algorithm=key.algorithm,
        sealed=seal_key(key, _KEY_ENCRYPTION_KEY),
        state=KeyState.ACTIVE,
        created_at=AT,
    )
    records = [signer_record(record.name, one, at=AT, by=ALICE) for one in signers]
    store.instances.add(record, signers=records, signing_key=sealed)


@contextmanager
def hosted(url: str, *, default: str = "aad", now: datetime = AT) -> Iterator[Hosted]:
    """An application over the store at `url`, which holds instances already."""
    with closing(Store.open(url)) as store:
        chest = KeyChest(store=store, key_encryption_key=_KEY_ENCRYPTION_KEY)
        surroundings = Surroundings(simulated=simulated_platform().anchors)

        def load(state: InstanceState) -> Any:  # noqa: ANN401  an instance
            keys = chest.open(state.record.name, state.signing_keys)
            return create_instance(
                define_instance(state.record, surroundings), keys, state.policies
            )

        registry = InstanceRegistry(store, load)
        registry.start()
        try:
            services = replace(
                make_services(now=now),
                instances=registry,
                default_instance=default,
                administration=make_administration(store, now=now),
            )
            yield Hosted(create_app(services), store, registry)
        finally:
            registry.close()


@contextmanager
def three_instances(url: str) -> Iterator[Hosted]:
    """One instance of each trust model: `aad`, `isolated` and `shared`."""
    with closing(Store.open(url)) as store:
        add_instance(store, make_record("aad"))
        add_instance(store, make_record("isolated", TrustModel.ISOLATED), [owner()])
        add_instance(store, make_record("shared", TrustModel.SHARED))
    with hosted(url) as found:
        yield found


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _part(data: bytes) -> str:
    return encode_base64url(data)
