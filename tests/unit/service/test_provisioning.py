from __future__ import annotations

import pytest

from assay.appraisal import Compatibility
from assay.errors import PolicyError, RequestError, SettingsError, UnknownInstanceError
from assay.keys import KeyCustody, KeyEncryptionKey, SigningAlgorithm
from assay.service.instance_names import RESERVED_NAMES, check_instance_name, check_issuer
from assay.service.instance_options import InstanceOptions, kept_options, read_options
from assay.service.keys import KeyChest
from assay.service.provisioning import NewInstance, ProvisioningService
from assay.store import KeyState, Store, TrustModel
from tests.administration import ALICE, DENY, certify, owner, rsa_key
from tests.conftest import AT
from tests.refusals import owner_refusal_of
from tests.signing_keys import FakeDevice

_QUICK = InstanceOptions(token_algorithm=SigningAlgorithm.ES256)


@pytest.fixture
def provisioning(store: Store) -> ProvisioningService:
    chest = KeyChest(store=store, key_encryption_key=KeyEncryptionKey(bytes(32)))
    return ProvisioningService(chest=chest, now=lambda: AT)


def _wanted(**changes: object) -> NewInstance:
    fields = {"name": "new", "issuer": "https://new.example", "options": _QUICK}
    return NewInstance(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_new_instance_can_be_served_at_once(provisioning: ProvisioningService) -> None:
    record = provisioning.create(_wanted(region="here", tags={"a": "b"}), by=ALICE)

    store = provisioning.chest.store
    [key] = store.signing_keys.of("new")
    assert store.instances.get("new") == record
    assert (record.trust_model, record.region, record.tags) == (
        TrustModel.AAD,
        "here",
        {"a": "b"},
    )
    assert record.settings == {"token_algorithm": "ES256"}
    assert (key.algorithm, key.state) == (SigningAlgorithm.ES256, KeyState.ACTIVE)
    assert provisioning.chest.open("new", [key]).active.kid == key.kid


def test_an_isolated_instance_begins_with_its_signers(provisioning: ProvisioningService) -> None:
    second = certify(rsa_key(1), "second")
    wanted = _wanted(trust_model=TrustModel.ISOLATED, signers=(owner(), second, owner()))

    provisioning.create(wanted, by=ALICE)

    signers = provisioning.chest.store.signers.of("new")
    assert len(signers) == 2
    assert {signer.added_by for signer in signers} == {ALICE}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"trust_model": TrustModel.ISOLATED}, "name at least one certificate"),
        ({"signers": (owner(),)}, "only isolated ones have policy signers"),
        ({"name": "aad"}, "taken by another instance"),
        ({"issuer": "https://aad.example"}, "taken by another instance"),
        ({"name": "certs"}, "has a meaning of its own"),
        ({"issuer": "https://new.example/"}, "ends in a slash"),
    ],
)
def test_what_does_not_go_together_is_not_made(
    provisioning: ProvisioningService, changes: dict[str, object], expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        provisioning.create(_wanted(**changes), by=ALICE)

    assert provisioning.chest.store.instances.get("new") is None


def test_a_signer_that_is_no_good_makes_no_instance(provisioning: ProvisioningService) -> None:
    wanted = _wanted(trust_model=TrustModel.ISOLATED, signers=(certify(rsa_key(), ca=False),))

    codes = owner_refusal_of(lambda: provisioning.create(wanted, by=ALICE))

    assert codes == ("owner.chain.signer_not_ca",)


def test_default_policies_of_its_own_are_checked(provisioning: ProvisioningService) -> None:
    for policies, error in (({"Tpm": "x"}, PolicyError), ({"x": DENY}, RequestError)):
        wanted = _wanted(options=InstanceOptions(policies=policies))
        with pytest.raises(error):
            provisioning.create(wanted, by=ALICE)


def test_keys_in_a_token_go_with_their_instance(store: Store) -> None:
    device = FakeDevice()
    chest = KeyChest(
        store=store,
        key_encryption_key=KeyEncryptionKey(bytes(32)),
        custody=KeyCustody.TOKEN,
        device=device,
    )
    provisioning = ProvisioningService(chest=chest, now=lambda: AT)
    provisioning.create(_wanted(), by=ALICE)
    kept = dict(device.keys)

    with pytest.raises(SettingsError, match="taken by another"):
        provisioning.create(_wanted(), by=ALICE)
    assert device.keys == kept
    provisioning.remove("new", by=ALICE)

    assert device.keys == {}


def test_an_instance_is_removed_once(provisioning: ProvisioningService) -> None:
    provisioning.remove("aad", by=ALICE)

    with pytest.raises(UnknownInstanceError):
        provisioning.remove("aad", by=ALICE)


@pytest.mark.parametrize("name", ["a", "A-1", "x" * 63, "0"])
def test_a_label_of_a_host_name_is_a_name(name: str) -> None:
    check_instance_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a.b", "a_b", "a/b", "ä", "x" * 64, "a\n", "Policies", *RESERVED_NAMES]
)
def test_what_cannot_stand_in_an_address_is_no_name(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be called"):
        check_instance_name(name)


@pytest.mark.parametrize("url", ["https://a.example", "http://a:8080", "https://a.example/b/c"])
def test_an_address_of_a_server_is_an_issuer(url: str) -> None:
    check_issuer(url)


@pytest.mark.parametrize(
    "url",
    [
        "a.example",
        "ftp://a.example",
        "https:",
        "https://a.example?x",
        "https://a.example#x",
        "https://user:secret@a.example",
        "https://a.example/" + "x" * 2048,
    ],
)
def test_anything_else_is_none(url: str) -> None:
    with pytest.raises(SettingsError, match="not an address of a server"):
        check_issuer(url)


def test_only_what_differs_from_the_defaults_is_kept() -> None:
    chosen = InstanceOptions(compatibility=Compatibility.Y2021, policies={"Tpm": DENY})

    assert kept_options(InstanceOptions()) == {}
    assert kept_options(chosen) == {"compatibility": "2021", "policies": {"Tpm": DENY}}
    assert read_options(kept_options(chosen), instance="a") == chosen


@pytest.mark.parametrize("settings", [{"unknown": 1}, {"accepted_tcb": ["Fine"]}])
def test_options_of_another_release_are_told(settings: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="'a': its settings in the database are not"):
        read_options(settings, instance="a")  # type: ignore[arg-type]
