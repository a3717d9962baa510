from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from assay.errors import UntrustedEvidenceError
from assay.x509.path import PathAnchors, PathProfile, read_certificate, verify_path
from tests.certificates import name
from tests.conftest import AT

_PURPOSE = x509.ObjectIdentifier("2.23.133.8.3")
_PROFILE = PathProfile(check="tpm.aik_certificate", label="certificate", usage=_PURPOSE)
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class _Party:
    """A name with a key, that issues certificates."""

    label: str
    key: ec.EllipticCurvePrivateKey

    def issue(
        self,
        to: _Party,
        *,
        ca: bool,
        start: datetime = AT - _YEAR,
        purpose: x509.ObjectIdentifier | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(to.label))
            .issuer_name(name(self.label))
            .public_key(to.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + 2 * _YEAR)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(ca=ca), critical=True)
        )
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _party(label: str) -> _Party:
    return _Party(label, ec.generate_private_key(ec.SECP256R1()))


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


_ROOT, _BETWEEN, _LEAF = _party("root"), _party("between"), _party("leaf")
_ROOT_CERTIFICATE = _ROOT.issue(_ROOT, ca=True)
_BETWEEN_CERTIFICATE = _ROOT.issue(_BETWEEN, ca=True)
_ENDED = _ROOT.issue(_BETWEEN, ca=True, start=AT - 3 * _YEAR)
_CERTIFICATE = _BETWEEN.issue(_LEAF, ca=False, purpose=_PURPOSE)


def _verify(*between: x509.Certificate) -> tuple[x509.Certificate, ...]:
    anchors = PathAnchors(roots=(_ROOT_CERTIFICATE,), intermediates=between)
    return verify_path(_CERTIFICATE, _PROFILE, anchors=anchors, at=AT)


def test_a_path_leads_over_what_the_operator_names() -> None:
    assert _verify(_BETWEEN_CERTIFICATE) == (_CERTIFICATE, _BETWEEN_CERTIFICATE, _ROOT_CERTIFICATE)


@pytest.mark.parametrize(
    "between", [(_ENDED, _BETWEEN_CERTIFICATE), (_BETWEEN_CERTIFICATE, _ENDED)]
)
def test_an_authority_that_was_renewed_is_taken_as_it_is_now(
    between: tuple[x509.Certificate, ...],
) -> None:
    assert _BETWEEN_CERTIFICATE in _verify(*between)


def test_where_no_path_is_good_the_first_says_why() -> None:
    with pytest.raises(UntrustedEvidenceError) as refused:
        _verify(_ENDED)

    assert [one.check for one in refused.value.findings] == ["tpm.aik_certificate.cert_expired"]


def test_authorities_that_issue_each_other_lead_nowhere() -> None:
    other = _party("other")
    circle = (other.issue(_BETWEEN, ca=True), _BETWEEN.issue(other, ca=True))

    with pytest.raises(UntrustedEvidenceError) as refused:
        _verify(*circle)

    assert [one.check for one in refused.value.findings] == ["tpm.aik_certificate.root_untrusted"]


def test_the_same_name_with_another_key_issued_nothing() -> None:
    with pytest.raises(UntrustedEvidenceError) as refused:
        _verify(_ROOT.issue(_party("between"), ca=True))

    assert [one.check for one in refused.value.findings] == ["tpm.aik_certificate.root_untrusted"]


def test_a_certificate_that_is_itself_a_root_is_no_end_entity() -> None:
    anchors = PathAnchors(roots=(_ROOT_CERTIFICATE,))

    with pytest.raises(UntrustedEvidenceError) as refused:
        verify_path(_ROOT_CERTIFICATE, _PROFILE, anchors=anchors, at=AT)

    assert [one.check for one in refused.value.findings] == ["tpm.aik_certificate.chain"]


def test_certificates_are_read_in_der() -> None:
    assert read_certificate(_CERTIFICATE.public_bytes(Encoding.DER), _PROFILE) == _CERTIFICATE
    with pytest.raises(UntrustedEvidenceError):
        read_certificate(_CERTIFICATE.public_bytes(Encoding.PEM), _PROFILE)
