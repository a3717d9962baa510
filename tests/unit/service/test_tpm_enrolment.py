from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from assay.endorsements.tpm import read_certificates, tpm_anchors
from assay.errors import SettingsError, UnknownInstanceError, UntrustedEvidenceError
from assay.evidence.tpm.public import parse_public
from assay.evidence.tpm.verify import verify_aik_certificate
from assay.keys import KeyEncryptionKey
from assay.service.aik_certificate import tpm_names
from assay.service.context_ring import ContextKeyRing
from assay.service.instances import Instance, TpmTrust
from assay.service.keys import KeyChest
from assay.service.tpm_enrolment import (
    Activation,
    EnrolmentRequest,
    IssuedCertificate,
    TpmEnrolmentService,
)
from assay.simulator.tpm.endorsement import SimulatedEndorsement
from assay.store import (
    SERVICE,
    AikAuthorityRecord,
    EndorsementKeyRecord,
    InstanceRecord,
    Store,
    TrustModel,
)
from assay.x509.path import PathAnchors
from tests.conftest import AT
from tests.serving import ISSUER, make_instance
from tests.tpm import simulated_endorsement, simulated_tpm

_AIK = simulated_tpm().aik_public
_NAME = parse_public(_AIK).name
_EK_NAME = parse_public(simulated_endorsement().public).name.hex()


@dataclass(frozen=True, slots=True)
class _Enrolment:
    service: TpmEnrolmentService
    instance: Instance

    @property
    def store(self) -> Store:
        return self.service.chest.store

    def enroll(
        self, certificate: bytes | None = simulated_endorsement().certificate
    ) -> IssuedCertificate:
        offer = self.service.offer(
            self.instance,
            EnrolmentRequest(
                ek_certificate=certificate,
                ek_public=simulated_endorsement().public,
                aik_public=_AIK,
            ),
        )
        secret = simulated_endorsement().activate(
            _NAME, blob=offer.credential_blob, secret=offer.secret
        )
        assert secret is not None
        return self.service.activate(
            self.instance, Activation(aik_public=_AIK, secret=secret, context=offer.context)
        )

    def allow(self) -> None:
        record = EndorsementKeyRecord(instance="test", name=_EK_NAME, label="", added_at=AT)
        self.store.aik_authorities.allow(record, by=SERVICE)

    def refusal(self, certificate: bytes | None) -> str:
        with pytest.raises(UntrustedEvidenceError) as refused:
            self.enroll(certificate)
        return refused.value.findings[0].check


@pytest.fixture
def enrolment(upgraded_url: str) -> Iterator[_Enrolment]:
    with closing(Store.open(upgraded_url)) as store:
        store.instances.add(
            InstanceRecord(name="test", issuer=ISSUER, trust_model=TrustModel.AAD, created_at=AT)
        )
        chest = KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))
        ring = ContextKeyRing(chest, lambda: AT)
        service = TpmEnrolmentService(chest=chest, ring=ring, now=lambda: AT)
        trust = TpmTrust(anchors=simulated_tpm().anchors)
        yield _Enrolment(service, make_instance(tpm=trust))


def _untrusting(enrolment: _Enrolment) -> _Enrolment:
    return replace(enrolment, instance=make_instance(tpm=TpmTrust(anchors=PathAnchors(roots=()))))


def test_a_key_in_a_trusted_tpm_is_certified(enrolment: _Enrolment) -> None:
    issued = enrolment.enroll()

    authority = x509.load_der_x509_certificate(issued.issuer)
    path = verify_aik_certificate(
        issued.certificate,
        simulated_tpm().aik.public_key(),
        anchors=PathAnchors(roots=(authority,)),
        at=AT,
    )
    assert path[-1] == authority
    names = path[0].extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert tpm_names(path[0])["2.23.133.2.2"] == "Assay Simulator"


def test_an_instance_has_one_authority(enrolment: _Enrolment) -> None:
    issuers = {enrolment.enroll().issuer for _ in range(2)}

    assert len(issuers) == 1
    assert enrolment.store.instances.state("test").aik_authority is not None
    lines = [line for line in enrolment.store.audit.lines() if b'"aik.certify"' in line]
    assert len(lines) == 2


def test_of_two_authorities_made_at_once_the_first_stays(enrolment: _Enrolment) -> None:
    first = AikAuthorityRecord(instance="test", certificate=b"1", sealed=b"", created_at=AT)
    table = enrolment.store.aik_authorities

    assert table.add(first) == first
    assert table.add(replace(first, certificate=b"2")) == first


def test_an_authority_of_no_instance_is_refused(enrolment: _Enrolment) -> None:
    record = AikAuthorityRecord(instance="none", certificate=b"1", sealed=b"", created_at=AT)

    with pytest.raises(UnknownInstanceError):
        enrolment.store.aik_authorities.add(record)


def test_a_known_endorsement_key_needs_no_certificate(enrolment: _Enrolment) -> None:
    unknown = _untrusting(enrolment)
    before = unknown.refusal(None), unknown.refusal(simulated_endorsement().certificate)
    enrolment.allow()
    enrolment.allow()

    certificate = x509.load_der_x509_certificate(unknown.enroll(None).certificate)

    assert before == ("tpm.ek.unknown", "tpm.ek_certificate.root_untrusted")
    assert tpm_names(certificate) == {"2.23.133.2.2": "unknown"}
    assert unknown.enroll().certificate


def test_what_an_unverified_certificate_says_of_a_known_tpm_is_not_certified(
    enrolment: _Enrolment,
) -> None:
    enrolment.allow()

    verified, unverified = (
        x509.load_der_x509_certificate(one.enroll().certificate)
        for one in (enrolment, _untrusting(enrolment))
    )

    assert tpm_names(verified)["2.23.133.2.2"] == "Assay Simulator"
    assert tpm_names(unverified) == {"2.23.133.2.2": "unknown"}


def test_it_can_be_known_no_more(enrolment: _Enrolment) -> None:
    table = enrolment.store.aik_authorities
    enrolment.allow()

    removed = [table.disallow("test", _EK_NAME, at=AT, by=SERVICE) for _ in range(2)]

    assert removed == [True, False]
    assert table.allowed("test") == ()
    assert _untrusting(enrolment).refusal(None) == "tpm.ek.unknown"


def test_a_certificate_of_another_key_is_refused(enrolment: _Enrolment) -> None:
    other = SimulatedEndorsement.create(simulated_tpm()).certificate

    assert enrolment.refusal(other) == "tpm.ek_certificate.key_mismatch"


def test_a_certificate_of_an_attestation_key_is_refused(enrolment: _Enrolment) -> None:
    with pytest.raises(UntrustedEvidenceError) as refused:
        enrolment.service.offer(
            enrolment.instance,
            EnrolmentRequest(ek_certificate=None, ek_public=_AIK, aik_public=_AIK),
        )

    assert refused.value.findings[0].check == "tpm.ek.attributes"


@pytest.mark.parametrize(
    ("secret", "aik"), [(bytes(32), None), (None, simulated_tpm().key_public())]
)
def test_another_secret_and_another_key_are_refused(
    enrolment: _Enrolment, secret: bytes | None, aik: bytes | None
) -> None:
    offer = enrolment.service.offer(
        enrolment.instance,
        EnrolmentRequest(
            ek_certificate=simulated_endorsement().certificate,
            ek_public=simulated_endorsement().public,
            aik_public=_AIK,
        ),
    )
    found = simulated_endorsement().activate(_NAME, blob=offer.credential_blob, secret=offer.secret)
    assert found is not None
    activation = Activation(aik_public=aik or _AIK, secret=secret or found, context=offer.context)

    with pytest.raises(UntrustedEvidenceError) as refused:
        enrolment.service.activate(enrolment.instance, activation)

    assert refused.value.findings[0].check == "tpm.enrolment.secret"


def test_a_certificate_without_names_says_that_the_tpm_is_unknown() -> None:
    assert tpm_names(simulated_tpm().root) == {"2.23.133.2.2": "unknown"}


def test_certificates_are_read_from_pem_and_der() -> None:

    root = simulated_tpm().root
    documents = [root.public_bytes(Encoding.PEM), root.public_bytes(Encoding.DER)]

    assert read_certificates(documents) == (root, root)
    assert tpm_anchors(documents, documents).intermediates == (root, root)
    with pytest.raises(SettingsError):
        read_certificates([b"neither"])


def test_microsofts_root_is_the_pinned_one() -> None:

    (root,) = tpm_anchors().roots

    assert root.fingerprint(hashes.SHA256()).hex() == (
        "870c7a35ceab3d59979f2c6a524042d404cb71518004350925fb2ced79a999da"
    )
    assert root.not_valid_after_utc > AT + timedelta(days=365)
