from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtensionOID, NameOID

from assay.endorsements.platform import PckCa
from assay.simulator import SimulatedPlatform
from assay.simulator.pki import (
    ORGANIZATION,
    Authority,
    CrlProfile,
    SimulatedPki,
    generate_key,
    raw_point,
    raw_signature,
    serial_number_of,
)


def common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        (Authority.ROOT_CA, "Intel SGX Root CA"),
        (Authority.PLATFORM_CA, "Intel SGX PCK Platform CA"),
        (Authority.PROCESSOR_CA, "Intel SGX PCK Processor CA"),
        (Authority.TCB_SIGNING, "Intel SGX TCB Signing"),
    ],
)
def test_common_names_are_those_that_verifiers_demand(
    platform: SimulatedPlatform, authority: Authority, name: str
) -> None:
    certificate = platform.pki.holder(authority).certificate

    assert common_name(certificate.subject) == name
    assert common_name(certificate.issuer) == "Intel SGX Root CA"


def test_the_rest_of_every_name_says_that_it_is_simulated(platform: SimulatedPlatform) -> None:
    for authority in Authority:
        for name in (
            platform.pki.holder(authority).certificate.subject,
            platform.pki.holder(authority).certificate.issuer,
        ):
            organization = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
            assert organization == ORGANIZATION
            assert "Intel Corporation" not in name.rfc4514_string()


def test_every_authority_is_issued_by_the_root(platform: SimulatedPlatform) -> None:
    for authority in Authority:
        platform.pki.holder(authority).certificate.verify_directly_issued_by(
            platform.root_certificate
        )


@pytest.mark.parametrize(
    ("authority", "path_length"),
    [
        (Authority.ROOT_CA, 1),
        (Authority.PLATFORM_CA, 0),
        (Authority.PROCESSOR_CA, 0),
        (Authority.TCB_SIGNING, None),
    ],
)
def test_extensions_are_those_of_the_profile(
    platform: SimulatedPlatform, authority: Authority, path_length: int | None
) -> None:
    is_ca = path_length is not None

    extensions = platform.pki.holder(authority).certificate.extensions

    assert [(extension.oid, extension.critical) for extension in extensions] == [
        (ExtensionOID.AUTHORITY_KEY_IDENTIFIER, False),
        (ExtensionOID.CRL_DISTRIBUTION_POINTS, False),
        (ExtensionOID.SUBJECT_KEY_IDENTIFIER, False),
        (ExtensionOID.KEY_USAGE, True),
        (ExtensionOID.BASIC_CONSTRAINTS, True),
    ]
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (usage.key_cert_sign, usage.crl_sign) == (is_ca, is_ca)
    assert (usage.digital_signature, usage.content_commitment) == (not is_ca, not is_ca)
    assert (constraints.ca, constraints.path_length) == (is_ca, path_length)


def test_certificates_are_valid_at_their_making(platform: SimulatedPlatform, at: datetime) -> None:
    for authority in Authority:
        certificate = platform.pki.holder(authority).certificate
        assert certificate.not_valid_before_utc < at - timedelta(days=364)
        assert certificate.not_valid_after_utc > at + timedelta(days=5 * 365)


def test_the_same_keys_give_the_same_certificates(platform: SimulatedPlatform) -> None:
    pki = platform.pki
    keys = {authority: pki.holder(authority).key for authority in Authority}

    again = SimulatedPki.from_keys(pki.created_at, keys)

    for authority in Authority:
        assert again.holder(authority).der == pki.holder(authority).der


def test_two_pkis_share_names_and_no_key(platform: SimulatedPlatform) -> None:
    other = SimulatedPki.create(platform.pki.created_at)

    for authority in Authority:
        ours, theirs = (pki.holder(authority).certificate for pki in (platform.pki, other))
        assert ours.subject == theirs.subject
        assert ours.public_key() != theirs.public_key()
        assert ours.serial_number != theirs.serial_number


def test_a_chain_ends_with_the_root(platform: SimulatedPlatform) -> None:
    chain = x509.load_pem_x509_certificates(platform.pki.chain(Authority.TCB_SIGNING))

    assert chain == [platform.pki.tcb_signing.certificate, platform.root_certificate]


def test_each_pck_ca_is_found_by_its_name_in_queries(platform: SimulatedPlatform) -> None:
    assert platform.pki.pck_ca(PckCa.PLATFORM) is platform.pki.platform_ca
    assert platform.pki.pck_ca(PckCa.PROCESSOR) is platform.pki.processor_ca


def test_reissuing_changes_one_certificate_and_no_key(platform: SimulatedPlatform) -> None:
    pki = platform.pki
    profile = replace(pki.profile(Authority.TCB_SIGNING), subject="Somebody Else")

    changed = pki.reissue(Authority.TCB_SIGNING, profile)

    assert common_name(changed.tcb_signing.certificate.subject) == "Somebody Else"
    assert changed.tcb_signing.key is pki.tcb_signing.key
    assert changed.platform_ca == pki.platform_ca
    assert pki.tcb_signing.certificate.subject != changed.tcb_signing.certificate.subject


def test_a_certificate_can_be_signed_by_another_than_the_root(platform: SimulatedPlatform) -> None:
    pki = platform.pki
    ca = pki.platform_ca
    profile = replace(pki.profile(Authority.TCB_SIGNING), issuer=Authority.PLATFORM_CA.common_name)

    changed = pki.reissue(Authority.TCB_SIGNING, profile, by=ca.key)

    changed.tcb_signing.certificate.verify_directly_issued_by(ca.certificate)


def test_a_revocation_list_says_what_its_profile_says(
    platform: SimulatedPlatform, at: datetime
) -> None:
    key = platform.pki.root_ca.key
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    profile = CrlProfile(
        issuer="Intel SGX Root CA",
        this_update=at,
        next_update=at + timedelta(days=1),
        number=7,
        revoked=(1, 2**150),
        extensions=(x509.Extension(unknown.oid, critical=False, value=unknown),),
    )

    crl = x509.load_der_x509_crl(profile.sign(key))

    assert crl.is_signature_valid(key.public_key())
    assert crl.issuer == platform.root_certificate.subject
    assert (crl.last_update_utc, crl.next_update_utc) == (at, at + timedelta(days=1))
    assert [entry.serial_number for entry in crl] == [1, 2**150]
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert crl.extensions.get_extension_for_oid(unknown.oid).value == unknown


def test_raw_signatures_verify_and_are_the_same_twice() -> None:
    key = generate_key()

    signature = raw_signature(key, b"message", hashes.SHA384)

    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.public_key().verify(encode_dss_signature(r, s), b"message", ec.ECDSA(hashes.SHA384()))
    assert signature == raw_signature(key, b"message", hashes.SHA384)
    assert len(signature) == 64


def test_a_raw_point_is_both_coordinates() -> None:
    key = generate_key().public_key()
    numbers = key.public_numbers()

    assert raw_point(key) == numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def test_serial_numbers_are_positive_and_short_enough() -> None:
    for _ in range(20):
        number = serial_number_of(generate_key().public_key())
        assert 0 < number < 1 << 159
