from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from assay.access import Caller, CallerKind, Grants, Right
from assay.errors import SettingsError, UnauthorizedError
from assay.server.auth.client_certificates import CertificateAuthenticator
from assay.server.auth.settings import CertificateGrant
from tests.certificates import Keys, pem
from tests.conftest import AT

_KEYS: Final = Keys()
_SUBJECT: Final = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc."),
        x509.NameAttribute(NameOID.COMMON_NAME, "deploy"),
    ]
)
_RECIPE: Final = replace(_KEYS.leaf_recipe, subject=_SUBJECT)
_CERTIFICATE: Final = _RECIPE.sign(_KEYS.ca)
_AUTHORITY: Final = _KEYS.ca_recipe.sign(_KEYS.root)


def _fingerprint(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _grant(name: str = "ci", **changes: object) -> CertificateGrant:
    fields: dict[str, object] = {"name": name, "rights": (Right.READ,), "instances": ("a",)}
    return CertificateGrant(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def by_subject(tmp_path: Path) -> CertificateGrant:
    path = tmp_path / "ca.pem"
    path.write_bytes(pem(_AUTHORITY))
    return _grant("team", subject="CN=deploy,O=Example\\, Inc.", authority=path)


def _authenticate(
    certificate: x509.Certificate, *grants: CertificateGrant, at: datetime = AT
) -> Caller:
    return CertificateAuthenticator(grants).authenticate(certificate, at=at)


def _refusal(
    certificate: x509.Certificate, *grants: CertificateGrant, at: datetime = AT
) -> list[str]:
    with pytest.raises(UnauthorizedError) as caught:
        _authenticate(certificate, *grants, at=at)
    return [finding.check for finding in caught.value.findings]


@pytest.mark.parametrize(
    "spelling",
    [str, str.upper, lambda text: ":".join(text[at : at + 2] for at in range(0, 64, 2))],
    ids=["lower", "upper", "colons"],
)
def test_a_certificate_is_known_by_its_fingerprint(spelling: object) -> None:
    assert callable(spelling)
    fingerprint = _fingerprint(_CERTIFICATE)

    caller = _authenticate(_CERTIFICATE, _grant(fingerprint=spelling(fingerprint)))

    assert caller == Caller(
        kind=CallerKind.CERTIFICATE,
        name="ci",
        authority=f"sha256:{fingerprint}",
        grants=Grants.parse(["read@a"]),
    )


def test_another_certificate_of_the_same_key_and_name_is_another() -> None:
    """CH-18."""
    other = replace(_RECIPE, serial=8).sign(_KEYS.ca)

    assert _refusal(other, _grant(fingerprint=_fingerprint(_CERTIFICATE))) == [
        "access.certificate.unknown"
    ]


def test_a_certificate_is_known_by_its_subject_under_its_ca(by_subject: CertificateGrant) -> None:
    renewed = replace(_RECIPE, serial=9).sign(_KEYS.ca)

    assert _authenticate(renewed, by_subject).name == "team"


def test_the_same_subject_under_another_ca_is_another(by_subject: CertificateGrant) -> None:
    """CH-12, CH-18: a CA of the same name, and the CA above it."""
    stranger = Keys()

    assert _refusal(_RECIPE.sign(stranger.ca), by_subject) == ["access.certificate.unknown"]
    above = replace(_RECIPE, issuer=_KEYS.root_recipe.subject).sign(_KEYS.root)
    assert _refusal(above, by_subject) == ["access.certificate.unknown"]


@pytest.mark.parametrize(
    "subject",
    [
        [("CN", "deploy")],
        [("CN", "deploy"), ("O", "Example, Inc.")],
        [("O", "Example, Inc."), ("CN", "deploy2")],
        [("O", "Example, Inc."), ("CN", "Deploy")],
        [("O", "Example, Inc."), ("CN", "deploy"), ("CN", "deploy")],
        [("O", "Example, Inc."), ("OU", "x"), ("CN", "deploy")],
        [],
    ],
)
def test_a_subject_is_compared_as_a_whole(
    subject: list[tuple[str, str]], by_subject: CertificateGrant
) -> None:
    kinds = {
        "CN": NameOID.COMMON_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    }
    name = x509.Name([x509.NameAttribute(kinds[kind], text) for kind, text in subject])

    certificate = replace(_RECIPE, subject=name).sign(_KEYS.ca)

    assert _refusal(certificate, by_subject) == ["access.certificate.unknown"]


def test_a_fingerprint_comes_before_a_subject(by_subject: CertificateGrant) -> None:
    one = _grant("one", fingerprint=_fingerprint(_CERTIFICATE))

    assert _authenticate(_CERTIFICATE, by_subject, one).name == "one"


def test_a_certificate_that_ended_during_its_connection_is_refused(
    by_subject: CertificateGrant,
) -> None:
    day = timedelta(days=1)

    assert _authenticate(_CERTIFICATE, by_subject, at=AT + day).name == "team"
    for at in (AT + day + timedelta(seconds=1), AT - day - timedelta(seconds=1)):
        assert _refusal(_CERTIFICATE, by_subject, at=at) == ["access.certificate.validity"]


@pytest.mark.parametrize("subject", ["", "deploy", "CN", "XX=deploy", "CN=deploy,,O=x"])
def test_a_subject_of_another_form_stops_the_start(
    subject: str, by_subject: CertificateGrant
) -> None:
    with pytest.raises(SettingsError, match="subject"):
        CertificateAuthenticator([_grant(subject=subject, authority=by_subject.authority)])


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"no certificate",
        pem(_AUTHORITY, _AUTHORITY),
        pem(_CERTIFICATE),
        pem(replace(_KEYS.ca_recipe, ca=None).sign(_KEYS.root)),
    ],
    ids=["missing", "empty", "text", "two", "no CA", "no constraints"],
)
def test_an_authority_that_is_not_one_ca_stops_the_start(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match="one CA certificate"):
        CertificateAuthenticator([_grant(subject="CN=x", authority=path)])
