from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography import x509

from assay.errors import UnknownInstanceError
from assay.service.signers import SignerService
from assay.store import Store
from assay.token import signer_jwk, thumbprint
from tests.administration import (
    ALICE,
    certificate_payload,
    certify,
    ec_key,
    owner,
    rsa_key,
    signed,
    stored_policy,
    unsecured,
)
from tests.conftest import AT
from tests.refusals import owner_refusal_of

_SECOND = certify(rsa_key(1), "second")
_ADD = signed(certificate_payload(_SECOND))
_PRESENT = {
    "x-ms-certificate-thumbprint": thumbprint(_SECOND),
    "x-ms-policycertificates-result": "IsPresent",
}
_ABSENT = _PRESENT | {"x-ms-policycertificates-result": "IsAbsent"}


@pytest.fixture
def signers(store: Store) -> SignerService:
    return SignerService(store=store, now=lambda: AT)


@pytest.mark.parametrize("instance", ["aad", "shared"])
def test_other_instances_have_none(signers: SignerService, instance: str) -> None:
    assert signers.list(instance) == {"x-ms-policy-certificates": {"keys": []}}


def test_adding_and_removing_can_be_repeated_and_replayed(signers: SignerService) -> None:
    # One library posts the same JWS to both addresses.
    added = [signers.add("isolated", _ADD, by=ALICE) for _ in range(2)]
    listed = signers.list("isolated")
    removed = [signers.remove("isolated", _ADD, by=ALICE) for _ in range(2)]

    assert added == [_PRESENT, _PRESENT]
    assert listed == {
        "x-ms-policy-certificates": {"keys": [signer_jwk((owner(),)), signer_jwk((_SECOND,))]}
    }
    assert removed == [_ABSENT, _ABSENT]
    assert len(signers.store.signers.of("isolated")) == 1


def test_a_new_signer_signs_from_then_on(signers: SignerService) -> None:
    signers.add("isolated", _ADD, by=ALICE)

    content = signers.remove(
        "isolated", signed(certificate_payload(owner()), rsa_key(1), _SECOND), by=ALICE
    )

    [left] = signers.store.signers.of("isolated")
    assert content["x-ms-certificate-thumbprint"] == thumbprint(owner())
    assert left.added_by == ALICE
    assert owner_refusal_of(lambda: signers.add("isolated", _ADD, by=ALICE)) == (
        "owner.chain.signer_untrusted",
    )


def test_the_last_one_stays(signers: SignerService) -> None:
    own = signed(certificate_payload(owner()))

    assert owner_refusal_of(lambda: signers.remove("isolated", own, by=ALICE)) == ()
    assert len(signers.store.signers.of("isolated")) == 1


@pytest.mark.parametrize(
    ("instance", "jws", "check"),
    [
        ("aad", _ADD, "owner.change.no_signers"),
        ("shared", _ADD, "owner.change.no_signers"),
        ("isolated", unsecured(certificate_payload(_SECOND)), "owner.change.unsigned"),
        (
            "isolated",
            signed(certificate_payload(_SECOND), rsa_key(1), _SECOND),
            "owner.chain.signer_untrusted",
        ),
        ("isolated", signed(stored_policy("")), "owner.jws.payload"),
        ("isolated", signed(b""), "owner.jws.payload"),
        ("isolated", "text", "owner.jws.jws_format"),
    ],
)
def test_what_is_not_allowed_changes_nothing(
    signers: SignerService, instance: str, jws: str, check: str
) -> None:
    before = signers.list(instance)

    assert owner_refusal_of(lambda: signers.add(instance, jws, by=ALICE)) == (check,)
    assert owner_refusal_of(lambda: signers.remove(instance, jws, by=ALICE)) == (check,)
    assert signers.list(instance) == before


@pytest.mark.parametrize(
    ("certificate", "check"),
    [
        (certify(ec_key(), ca=False), "owner.chain.signer_not_ca"),
        (certify(rsa_key(9, 1024)), "owner.chain.signer_key"),
    ],
)
def test_a_certificate_that_is_no_good_is_not_listed(
    signers: SignerService, certificate: x509.Certificate, check: str
) -> None:
    jws = signed(certificate_payload(certificate))

    assert owner_refusal_of(lambda: signers.add("isolated", jws, by=ALICE)) == (check,)


def test_an_instance_that_is_not_there_has_no_signers(signers: SignerService) -> None:
    uses: tuple[Callable[[], object], ...] = (
        lambda: signers.list("none"),
        lambda: signers.add("none", _ADD, by=ALICE),
        lambda: signers.remove("none", _ADD, by=ALICE),
    )

    for use in uses:
        with pytest.raises(UnknownInstanceError):
            use()
