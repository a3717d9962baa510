from __future__ import annotations

import hashlib

import pytest

from assay.encoding import encode_base64url
from assay.errors import RequestError, UnknownInstanceError
from assay.policy import PolicyEvaluationError, PolicySyntaxError, default_policy, policy_hash
from assay.service.policies import POLICY_TYPES, PolicyService, policy_type
from assay.service.signers import SignerService
from assay.store import PolicyAction, Store
from assay.store.engine import create_engine, writing
from assay.store.tables import POLICY_CHANGES
from assay.token import UNSET_POLICY, read_owner_token, read_policy_text, signer_jwk
from tests.administration import (
    ALICE,
    DENY,
    PERMIT,
    UNSECURED_RESET,
    add_instance,
    certificate_payload,
    certify,
    ec_key,
    make_record,
    owner,
    rsa_key,
    signed,
    stored_policy,
    unsecured,
)
from tests.conftest import AT
from tests.refusals import owner_refusal_of

_SECOND = certify(rsa_key(1), "second")
_BAD_BASELINE = (
    'version= 1.1;configurationrules{=> issueproperty(type="x-ms-sgx-tcbidentifier", '
    'value="newest");};authorizationrules{=> permit();};'
)


@pytest.fixture
def policies(store: Store) -> PolicyService:
    return PolicyService(store=store, now=lambda: AT)


def _text(policies: PolicyService, instance: str, kind: str = "SgxEnclave") -> str | None:
    return read_policy_text(read_owner_token(policies.get(instance, kind)))


@pytest.mark.parametrize("kind", POLICY_TYPES)
@pytest.mark.parametrize("instance", ["aad", "isolated", "shared"])
def test_a_policy_that_was_never_set_is_the_default(
    policies: PolicyService, instance: str, kind: str
) -> None:
    assert _text(policies, instance, kind) == default_policy(kind)


def test_a_tpm_policy_that_was_never_set_is_the_empty_one(policies: PolicyService) -> None:
    assert policies.get("aad", "Tpm") == UNSET_POLICY


def test_the_default_is_that_of_the_instance_s_compatibility_or_its_own(
    policies: PolicyService,
) -> None:
    add_instance(policies.store, make_record("old", settings={"compatibility": "2021"}))
    add_instance(policies.store, make_record("own", settings={"policies": {"Tpm": DENY}}))

    assert _text(policies, "old") == default_policy("SgxEnclave", "2021")
    assert _text(policies, "own", "Tpm") == DENY


@pytest.mark.parametrize(
    ("instance", "jws"),
    [
        ("aad", unsecured(stored_policy(PERMIT))),
        ("aad", signed(stored_policy(PERMIT), rsa_key(9, 1024), certify(rsa_key(9, 1024)))),
        ("isolated", signed(stored_policy(PERMIT))),
    ],
)
@pytest.mark.parametrize("kind", POLICY_TYPES)
def test_a_policy_comes_back_byte_for_byte(
    policies: PolicyService, instance: str, jws: str, kind: str
) -> None:
    content = policies.set(instance, kind, jws, by=ALICE)

    token = read_owner_token(jws)
    assert policies.get(instance, kind) == jws
    assert content["x-ms-policy-result"] == "Updated"
    assert content["x-ms-policy-token-hash"] == encode_base64url(
        hashlib.sha256(jws.encode()).digest()
    )
    assert content.get("x-ms-policy-signer") == (
        signer_jwk(token.certificates) if token.signed else None
    )


def test_after_a_reset_the_default_is_back(policies: PolicyService) -> None:
    policies.set("aad", "SgxEnclave", unsecured(stored_policy(DENY)), by=ALICE)

    content = policies.reset("aad", "SgxEnclave", UNSECURED_RESET, by=ALICE)

    assert content == {"x-ms-policy-result": "Removed"}
    assert _text(policies, "aad") == default_policy("SgxEnclave")


def test_a_signed_reset_tells_no_more_than_another(policies: PolicyService) -> None:
    assert policies.reset("isolated", "Tpm", signed(b""), by=ALICE) == {
        "x-ms-policy-result": "Removed"
    }


@pytest.mark.parametrize(
    ("instance", "jws", "check"),
    [
        ("isolated", unsecured(stored_policy(PERMIT)), "owner.change.unsigned"),
        (
            "isolated",
            signed(stored_policy(PERMIT), rsa_key(1), _SECOND),
            "owner.chain.signer_untrusted",
        ),
        ("shared", unsecured(stored_policy(PERMIT)), "owner.change.shared"),
        ("shared", signed(stored_policy(PERMIT)), "owner.change.shared"),
        ("aad", PERMIT, "owner.jws.jws_format"),
        ("aad", unsecured(b""), "owner.jws.payload"),
        ("aad", unsecured(b"{}"), "owner.jws.payload"),
        ("isolated", signed(b""), "owner.jws.payload"),
    ],
)
def test_what_may_not_be_set_changes_nothing(
    policies: PolicyService, instance: str, jws: str, check: str
) -> None:
    codes = owner_refusal_of(lambda: policies.set(instance, "SgxEnclave", jws, by=ALICE))

    assert codes == (check,)
    assert policies.history(instance, "SgxEnclave") == ()


@pytest.mark.parametrize(
    ("instance", "jws", "check"),
    [
        ("isolated", UNSECURED_RESET, "owner.change.unsigned"),
        ("isolated", signed(b"", rsa_key(1), _SECOND), "owner.chain.signer_untrusted"),
        ("shared", UNSECURED_RESET, "owner.change.shared"),
        ("aad", unsecured(stored_policy(PERMIT)), "owner.jws.payload"),
    ],
)
def test_what_may_not_be_reset_changes_nothing(
    policies: PolicyService, instance: str, jws: str, check: str
) -> None:
    codes = owner_refusal_of(lambda: policies.reset(instance, "SgxEnclave", jws, by=ALICE))

    assert codes == (check,)
    assert policies.history(instance, "SgxEnclave") == ()


def test_a_signed_policy_that_everybody_can_read_resets_nothing(policies: PolicyService) -> None:
    policies.set("isolated", "SgxEnclave", signed(stored_policy(DENY)), by=ALICE)
    seen = policies.get("isolated", "SgxEnclave")

    codes = owner_refusal_of(lambda: policies.reset("isolated", "SgxEnclave", seen, by=ALICE))

    assert codes == ("owner.jws.payload",)
    assert _text(policies, "isolated") == DENY


@pytest.mark.parametrize(
    ("text", "error"), [("nonsense", PolicySyntaxError), (_BAD_BASELINE, PolicyEvaluationError)]
)
def test_a_text_that_could_not_be_applied_is_not_kept(
    policies: PolicyService, text: str, error: type[Exception]
) -> None:
    jws = unsecured(stored_policy(text))

    with pytest.raises(error):
        policies.set("aad", "SgxEnclave", jws, by=ALICE)

    assert policies.history("aad", "SgxEnclave") == ()


def test_a_signer_below_a_listed_ca_may_set(policies: PolicyService) -> None:
    leaf = certify(ec_key(), "leaf", issuer=("owner", rsa_key()), ca=False)
    jws = signed(stored_policy(DENY), ec_key(), leaf)

    content = policies.set("isolated", "SgxEnclave", jws, by=ALICE)

    assert content["x-ms-policy-signer"] == signer_jwk((leaf,))


def test_an_instance_that_is_not_there_has_no_policies(policies: PolicyService) -> None:
    jws = unsecured(stored_policy(PERMIT))

    for use in (
        lambda: policies.get("none", "Tpm"),
        lambda: policies.set("none", "Tpm", jws, by=ALICE),
        lambda: policies.reset("none", "Tpm", UNSECURED_RESET, by=ALICE),
        lambda: policies.history("none", "Tpm"),
    ):
        with pytest.raises(UnknownInstanceError):
            use()


# History.


def _three_changes(policies: PolicyService) -> None:
    policies.set("aad", "Tpm", unsecured(stored_policy(PERMIT)), by=ALICE)
    policies.set("aad", "Tpm", unsecured(stored_policy(DENY)), by=ALICE)
    policies.reset("aad", "Tpm", UNSECURED_RESET, by=ALICE)


def test_the_history_has_the_hashes_of_the_texts(policies: PolicyService) -> None:
    _three_changes(policies)

    changes = policies.history("aad", "Tpm")

    permit, deny = policy_hash(PERMIT), policy_hash(DENY)
    assert [(one.previous_hash, one.text_hash) for one in changes] == [
        (None, permit),
        (permit, deny),
        (deny, None),
    ]
    assert {one.changed_by for one in changes} == {ALICE}


def test_an_earlier_policy_can_be_applied_again(policies: PolicyService) -> None:
    _three_changes(policies)

    policies.roll_back("aad", "Tpm", 1, by=ALICE)

    assert _text(policies, "aad", "Tpm") == PERMIT
    assert policies.history("aad", "Tpm")[-1].version == 4


def test_an_earlier_reset_can_be_done_again(policies: PolicyService) -> None:
    _three_changes(policies)
    policies.roll_back("aad", "Tpm", 2, by=ALICE)

    content = policies.roll_back("aad", "Tpm", 3, by=ALICE)

    assert content == {"x-ms-policy-result": "Removed"}
    assert policies.history("aad", "Tpm")[-1].action is PolicyAction.RESET


def test_an_earlier_policy_counts_only_if_its_signer_still_does(policies: PolicyService) -> None:
    signers = SignerService(store=policies.store, now=lambda: AT)
    policies.set("isolated", "Tpm", signed(stored_policy(PERMIT)), by=ALICE)
    signers.add("isolated", signed(certificate_payload(_SECOND)), by=ALICE)
    signers.remove("isolated", signed(certificate_payload(owner()), rsa_key(1), _SECOND), by=ALICE)

    codes = owner_refusal_of(lambda: policies.roll_back("isolated", "Tpm", 1, by=ALICE))

    assert codes == ("owner.chain.signer_untrusted",)


@pytest.mark.parametrize("version", [0, 4, -1])
def test_a_version_that_is_not_there_is_told(policies: PolicyService, version: int) -> None:
    _three_changes(policies)

    with pytest.raises(RequestError, match="there are 1 to 3"):
        policies.version("aad", "Tpm", version)
    with pytest.raises(RequestError, match="there is none"):
        policies.version("aad", "SgxEnclave", version)


def test_a_reset_that_an_earlier_release_did_not_keep_cannot_be_repeated(
    policies: PolicyService, upgraded_url: str
) -> None:
    policies.reset("aad", "Tpm", UNSECURED_RESET, by=ALICE)
    engine = create_engine(upgraded_url)
    with writing(engine) as connection:
        connection.execute(POLICY_CHANGES.update().values(jws=None))
    engine.dispose()

    with pytest.raises(RequestError, match="did not keep what was sent"):
        policies.roll_back("aad", "Tpm", 1, by=ALICE)


@pytest.mark.parametrize("name", ["sgxenclave", "SGXENCLAVE", "azureGuest", "sevsnpvm"])
def test_types_are_known_in_any_case(name: str) -> None:
    assert policy_type(name).lower() == name.lower()
    assert policy_type(name) in POLICY_TYPES


def test_a_type_that_is_not_there_is_told() -> None:
    with pytest.raises(RequestError, match="no attestation type 'x'; there are SgxEnclave, "):
        policy_type("x")
