from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from assay.encoding import JsonValue
from assay.keys import SigningAlgorithm, SigningKey
from assay.keys.software import generate_key
from assay.token import jwks, sign_token, signing_certificate
from tests.conftest import AT
from tests.unit.cli.conftest import AT_TEXT, Run
from tests.unit.cli.fake_service import FakeService

ISSUER = "https://attest.example.net"
ISSUED = int(AT.timestamp())


@dataclass(frozen=True)
class Signed:
    """A token, its key and the files that hold them."""

    folder: Path
    key: SigningKey

    @property
    def token(self) -> Path:
        return self.folder / "token"

    @property
    def jwks(self) -> Path:
        return self.folder / "jwks.json"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def public_key(self) -> Path:
        return self.folder / "key.pem"

    def write(self, claims: Mapping[str, JsonValue] | None = None) -> None:
        base: dict[str, JsonValue] = {
            "iss": ISSUER,
            "iat": ISSUED,
            "nbf": ISSUED,
            "exp": ISSUED + 60,
        }
        self.token.write_text(sign_token({**base, **(claims or {})}, self.key, issuer=ISSUER))


@pytest.fixture(params=[SigningAlgorithm.RS256, SigningAlgorithm.ES256, SigningAlgorithm.ES384])
def signed(request: pytest.FixtureRequest, tmp_path: Path) -> Signed:
    key = generate_key(request.param, created_at=AT)
    made = Signed(tmp_path, key)
    made.write()
    certificate = signing_certificate(key, issuer=ISSUER)
    made.jwks.write_text(json.dumps(jwks([(key, certificate)])))
    made.public_key.write_bytes(
        key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    made.certificate.write_bytes(
        x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    )
    return made


def test_show_decodes_and_says_unverified(run: Run, signed: Signed) -> None:
    outcome = run("token", "show", signed.token)

    assert outcome.exit_code == 0
    assert outcome.out.startswith("token - unverified: its signature has not been checked\n")
    assert ISSUER in outcome.out
    report = run("token", "show", signed.token, "--json").json
    assert report["verified"] is False
    assert report["times"]["iat"] == AT_TEXT


@pytest.mark.parametrize("keys", ["jwks", "certificate", "public_key"])
def test_a_token_is_verified_with_its_key(run: Run, signed: Signed, keys: str) -> None:
    option = "--jwks" if keys == "jwks" else "--pem"

    outcome = run(
        "token",
        "verify",
        signed.token,
        option,
        getattr(signed, keys),
        "--issuer",
        f"{ISSUER}/",
        "--at",
        AT_TEXT,
    )

    assert outcome.exit_code == 0
    assert outcome.out.startswith(f"token: valid - signed by key {signed.key.kid}\n")
    assert "the issuer was not checked" not in outcome.out


def test_the_json_answer_says_what_was_checked(run: Run, signed: Signed) -> None:
    report = run(
        "token", "verify", signed.token, "--jwks", signed.jwks, "--at", AT_TEXT, "--json"
    ).json

    assert report["verified"] is True
    assert report["issuer_checked"] is False
    assert report["kid"] == signed.key.kid
    assert report["claims"]["iss"] == ISSUER


def test_without_an_issuer_the_answer_says_that_it_was_not_checked(
    run: Run, signed: Signed
) -> None:
    outcome = run("token", "verify", signed.token, "--jwks", signed.jwks, "--at", AT_TEXT)

    assert outcome.exit_code == 0
    assert "the issuer was not checked" in outcome.out


@pytest.mark.parametrize(
    ("claims", "arguments", "sentence"),
    [
        ({}, ("--issuer", "https://other.example"), "need iss https://other.example"),
        ({}, ("--audience", "me"), "need aud me"),
        ({"aud": "you"}, (), "need no aud"),
        ({"exp": ISSUED}, (), "need exp after"),
        ({"nbf": ISSUED + 1}, (), "need nbf not after"),
        ({"iss": 1}, (), "need iss"),
    ],
)
def test_a_token_that_is_not_valid_here_is_refused(
    run: Run,
    signed: Signed,
    claims: dict[str, JsonValue],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    signed.write(claims)

    outcome = run(
        "token", "verify", signed.token, "--jwks", signed.jwks, "--at", AT_TEXT, *arguments
    )

    assert outcome.exit_code == 4
    assert outcome.out == ""
    assert sentence in outcome.err


def test_a_token_of_another_key_is_refused(run: Run, signed: Signed, tmp_path: Path) -> None:
    other = generate_key(signed.key.algorithm, created_at=AT)
    pem = tmp_path / "other.pem"
    pem.write_bytes(other.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    outcome = run("token", "verify", signed.token, "--pem", pem, "--at", AT_TEXT)

    assert outcome.exit_code == 4
    assert "signature" in outcome.err


def test_keys_are_fetched_from_the_issuer(run: Run, service: FakeService, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(service.token())

    outcome = run("token", "verify", path, "--issuer", service.url, "--json")

    assert outcome.exit_code == 0
    assert outcome.json["issuer_checked"] is True
    assert service.paths == ["/certs"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "expected keys to verify with"),
        (("--jwks", "a", "--pem", "b"), "expected one of --jwks and --pem, got both"),
        (("--issuer", "nowhere"), "expected a URL such as"),
        (("--jwks", "missing"), "missing: cannot be read"),
    ],
)
def test_keys_that_cannot_be_had_are_usage_errors(
    run: Run, signed: Signed, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = run("token", "verify", signed.token, *arguments)

    assert outcome.exit_code == 2
    assert sentence in outcome.err


@pytest.mark.parametrize("content", [b"", b"noise", b"\xff", b"[]", b'{"keys":{}}'])
def test_a_file_without_a_key_set_is_a_usage_error(
    run: Run, signed: Signed, tmp_path: Path, content: bytes
) -> None:
    jwks = tmp_path / "other.json"
    jwks.write_bytes(content)

    outcome = run("token", "verify", signed.token, "--jwks", jwks)

    assert outcome.exit_code == 2
    assert outcome.err.startswith(f"assay: --jwks: {jwks}: the key set needs ")


@pytest.mark.parametrize("kind", ["noise", "curve", "edwards"])
def test_a_pem_without_a_usable_key_is_a_usage_error(
    run: Run, signed: Signed, tmp_path: Path, kind: str
) -> None:
    pem = tmp_path / "other.pem"
    if kind == "noise":
        pem.write_text("noise")
    elif kind == "curve":
        curve = ec.generate_private_key(ec.SECP521R1()).public_key()
        pem.write_bytes(curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    else:
        edwards = ed25519.Ed25519PrivateKey.generate().public_key()
        pem.write_bytes(edwards.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    outcome = run("token", "verify", signed.token, "--pem", pem)

    assert outcome.exit_code == 2
    assert "other.pem: expected" in outcome.err


def test_a_token_may_stand_in_the_answer_that_brought_it(run: Run, signed: Signed) -> None:
    answer = signed.folder / "answer.json"
    answer.write_text(json.dumps({"token": signed.token.read_text()}))

    assert run("token", "show", answer, "--json").json["claims"]["iss"] == ISSUER


@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        ("{}", 2, "JSON without one"),
        ("{", 2, "not valid JSON"),
        ("", 4, "three parts"),
        ("a.b", 4, "three parts"),
    ],
)
def test_what_is_no_token_is_refused(
    run: Run, tmp_path: Path, content: str, code: int, sentence: str
) -> None:
    path = tmp_path / "token"
    path.write_text(content)

    outcome = run("token", "show", path)

    assert outcome.exit_code == code
    assert sentence in outcome.err
