from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from assay.errors import UntrustedSignerError
from assay.service.signer_chain import check_signer_certificate, find_signer, fingerprint
from tests.administration import certify, ec_key, owner, rsa_key
from tests.conftest import AT
from tests.refusals import owner_refusal_of

_CA = ("owner", rsa_key())
_LEAF = certify(ec_key(1), "leaf", issuer=_CA, ca=False)
_MIDDLE = certify(ec_key(2), "middle", issuer=_CA)
_BELOW = certify(ec_key(3), "below", issuer=("middle", ec_key(2)), ca=False)
_UNTRUSTED = ("owner.chain.signer_untrusted",)


def _find(*certificates: x509.Certificate, listed: tuple[x509.Certificate, ...] = ()) -> str:
    signers = {fingerprint(one): one for one in listed or (owner(),)}
    return find_signer(certificates, signers, at=AT)


def _usage(*, cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def test_a_listed_certificate_vouches_for_itself() -> None:
    assert _find(owner()) == fingerprint(owner())


def test_a_listed_certificate_is_not_asked_for_its_time() -> None:
    old = certify(rsa_key(), "old", at=AT - timedelta(days=5000))

    assert _find(old, listed=(old,)) == fingerprint(old)


def test_a_listed_certificate_vouches_for_what_it_issued() -> None:
    assert _find(_LEAF) == fingerprint(owner())
    assert _find(_LEAF, owner()) == fingerprint(owner())


def test_what_is_between_has_to_come_along() -> None:
    assert _find(_BELOW, _MIDDLE) == fingerprint(owner())
    assert _find(_BELOW, _MIDDLE, owner()) == fingerprint(owner())
    assert owner_refusal_of(lambda: _find(_BELOW)) == _UNTRUSTED
    assert owner_refusal_of(lambda: _find(_BELOW, owner())) == _UNTRUSTED


def test_an_old_listed_ca_vouches_still() -> None:
    old = certify(rsa_key(), "owner", at=AT - timedelta(days=5000))

    assert _find(_LEAF, listed=(old,)) == fingerprint(old)


def test_of_several_listed_cas_of_one_name_the_one_that_issued_it_vouches() -> None:
    other = certify(rsa_key(1), "owner")

    assert _find(_LEAF, listed=(other, owner())) == fingerprint(owner())


def test_a_stranger_is_refused() -> None:
    assert owner_refusal_of(lambda: _find(certify(ec_key(4), "owner"))) == _UNTRUSTED
    assert owner_refusal_of(lambda: _find(certify(ec_key(4), "stranger"))) == _UNTRUSTED


def test_a_chain_in_which_one_did_not_issue_the_other_is_refused() -> None:
    # `_MIDDLE` is below the listed CA, and has nothing to do with the signer.
    stranger = certify(ec_key(4), "stranger")

    assert owner_refusal_of(lambda: _find(stranger, _MIDDLE)) == _UNTRUSTED
    assert owner_refusal_of(lambda: _find(stranger, owner())) == _UNTRUSTED


@pytest.mark.parametrize("days", [-2, 2])
def test_a_certificate_below_is_asked_for_its_time(days: int) -> None:
    leaf = certify(ec_key(1), "leaf", issuer=_CA, ca=False, at=AT + timedelta(days=days))

    assert owner_refusal_of(lambda: _find(leaf)) == ("owner.chain.signer_expired",)


def test_an_issuer_has_to_be_a_ca() -> None:
    leaf_as_issuer = certify(ec_key(5), "lower", issuer=("leaf", ec_key(1)), ca=False)
    expected = ("owner.chain.signer_not_ca",)

    assert owner_refusal_of(lambda: _find(leaf_as_issuer, _LEAF)) == expected
    for ca in (False, None):
        plain = certify(rsa_key(), "owner", ca=ca)
        assert owner_refusal_of(partial(_find, _LEAF, listed=(plain,))) == expected


def test_an_issuer_that_may_not_sign_certificates_is_refused() -> None:
    bound = certify(rsa_key(), "owner", extensions=[(_usage(cert_sign=False), True)])
    free = certify(rsa_key(), "owner", extensions=[(_usage(cert_sign=True), True)])

    assert owner_refusal_of(lambda: _find(_LEAF, listed=(bound,))) == ("owner.chain.signer_not_ca",)
    assert _find(_LEAF, listed=(free,)) == fingerprint(free)


def test_path_lengths_are_kept() -> None:
    short = (
        x509.CertificateBuilder()
        .subject_name(owner().subject)
        .issuer_name(owner().subject)
        .public_key(rsa_key().public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(rsa_key(), hashes.SHA256())
    )

    assert _find(_LEAF, listed=(short,)) == fingerprint(short)
    assert owner_refusal_of(lambda: _find(_BELOW, _MIDDLE, listed=(short,))) == _UNTRUSTED


def test_an_unknown_critical_extension_is_refused() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    critical = certify(ec_key(1), "leaf", issuer=_CA, ca=False, extensions=[(unknown, True)])
    other = certify(ec_key(1), "leaf", issuer=_CA, ca=False, extensions=[(unknown, False)])

    assert owner_refusal_of(lambda: _find(critical)) == _UNTRUSTED
    assert _find(other) == fingerprint(owner())


def test_weak_keys_are_refused_wherever_they_are() -> None:
    expected = ("owner.chain.signer_key",)

    for weak in (rsa_key(9, 1024), ec.generate_private_key(ec.SECP192R1())):
        leaf = certify(weak, "leaf", issuer=_CA, ca=False)
        assert owner_refusal_of(partial(_find, leaf)) == expected
        assert owner_refusal_of(partial(check_signer_certificate, certify(weak))) == expected


def test_a_signature_over_another_hash_is_refused() -> None:
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(owner().subject)
        .public_key(ec_key(1).public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT)
        .sign(rsa_key(), hashes.SHA224())
    )

    assert owner_refusal_of(lambda: _find(leaf)) == _UNTRUSTED


def test_a_signature_of_an_unknown_kind_is_refused() -> None:
    sha256_with_rsa = bytes.fromhex("2a864886f70d01010b")
    der = _LEAF.public_bytes(Encoding.DER).replace(sha256_with_rsa, sha256_with_rsa[:-1] + b"\x10")

    unknown = x509.load_der_x509_certificate(der)

    assert owner_refusal_of(lambda: _find(unknown)) == _UNTRUSTED
    assert owner_refusal_of(lambda: _find(unknown, owner())) == _UNTRUSTED


def test_a_certificate_that_may_be_listed_is_a_strong_ca_s() -> None:
    check_signer_certificate(owner())
    check_signer_certificate(certify(ec_key()))
    with pytest.raises(UntrustedSignerError, match="to be a CA"):
        check_signer_certificate(certify(rsa_key(), ca=False))


def test_a_key_of_another_kind_may_not_be_listed() -> None:
    edwards = ed25519.Ed25519PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(edwards.public_key())
        .serial_number(1)
        .not_valid_before(AT)
        .not_valid_after(AT)
        .sign(rsa.generate_private_key(65537, 2048), hashes.SHA256())
    )

    assert owner_refusal_of(lambda: check_signer_certificate(certificate)) == (
        "owner.chain.signer_key",
    )
