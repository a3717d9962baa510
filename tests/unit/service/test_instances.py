from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from assay.appraisal import AppraisalSettings, Compatibility
from assay.encoding import JsonValue
from assay.endorsements.anchors import intel_sgx_anchors
from assay.endorsements.source import EvaluationSelection
from assay.endorsements.tcb import TcbStatus
from assay.errors import SettingsError
from assay.evidence.format import AttestationType
from assay.policy import PolicyEvaluationError, PolicySyntaxError, default_policy
from assay.service.instances import (
    Instance,
    InstanceDefinition,
    InstanceKeys,
    SharedMemories,
    Surroundings,
    create_instance,
    define_instance,
    read_policy,
)
from assay.store import InstanceRecord, PolicyRecord
from assay.token import signer_jwk
from tests.administration import make_record, owner, signed, stored_policy, unsecured
from tests.conftest import AT
from tests.serving import make_instance, signing_key, simulated_platform

_SGX = AttestationType.SGX_ENCLAVE
_PERMIT = "version= 1.0;authorizationrules{=> permit();};"


def _numbered(number: str) -> str:
    return (
        "version= 1.1;configurationrules{=> issueproperty("
        f'type="x-ms-sgx-tcbidentifier", value="{number}");' + "};"
        "authorizationrules{=> permit();};"
    )


def _with_policy(text: str) -> Instance:
    return make_instance(policies={_SGX: text})


@pytest.mark.parametrize("kind", AttestationType)
@pytest.mark.parametrize("compatibility", Compatibility)
def test_a_type_without_a_policy_has_the_default_of_its_time(
    kind: AttestationType, compatibility: Compatibility
) -> None:
    instance = make_instance(appraisal=AppraisalSettings(compatibility=compatibility))

    expected = default_policy(kind.value, compatibility.value)
    assert instance.policies[kind].compiled.text == expected


def test_an_instance_trusts_intel_unless_told_otherwise() -> None:
    definition = InstanceDefinition(name="a", issuer="https://a.example")

    assert definition.roots == intel_sgx_anchors()


def test_a_policy_of_its_own_is_compiled_with_its_hash() -> None:
    assert _with_policy(_PERMIT).policies[_SGX].compiled.text == _PERMIT


def test_a_policy_may_name_its_evaluation_data_set() -> None:
    instance = make_instance(
        policies={_SGX: _numbered("17")}, evaluation=EvaluationSelection.parse("early")
    )

    assert instance.policies[_SGX].evaluation.number == 17
    assert instance.policies[AttestationType.OPEN_ENCLAVE].evaluation.name == "early"


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ({_SGX: "nonsense"}, "the policy for SgxEnclave is not one: line 1, column 1"),
        ({_SGX: _numbered("newest")}, "the policy for SgxEnclave is not one"),
    ],
)
def test_a_policy_that_is_none_stops_the_start(
    policies: Mapping[AttestationType, str], expected: str
) -> None:
    with pytest.raises(SettingsError, match=expected):
        make_instance(policies=policies)


def test_a_draft_policy_that_is_none_is_its_authors_fault() -> None:
    definition = make_instance().definition

    with pytest.raises(PolicySyntaxError):
        read_policy("nonsense", definition)
    with pytest.raises(PolicyEvaluationError):
        read_policy(_numbered("newest"), definition)


def test_a_draft_that_comes_again_is_not_compiled_again() -> None:
    instance = make_instance(evaluation=EvaluationSelection.parse("early"))

    first = instance.draft(_PERMIT)

    assert instance.draft(_PERMIT) is first
    assert instance.draft(_PERMIT + "\n").compiled.hash != first.compiled.hash
    assert first.evaluation.name == "early"
    assert make_instance().draft(_PERMIT).evaluation.name == "standard"


def test_few_drafts_are_kept_and_no_long_ones() -> None:
    instance = make_instance()
    long = _PERMIT + "//" + "x" * 16_384

    assert instance.draft(long) is not instance.draft(long)
    for number in range(100):
        instance.draft(f"{_PERMIT}//{number}")
    assert len(instance.drafts) == 16


def test_a_draft_that_is_no_policy_is_not_kept() -> None:
    instance = make_instance()

    with pytest.raises(PolicySyntaxError):
        instance.draft("nonsense")
    assert len(instance.drafts) == 0


def _record(**settings: JsonValue) -> InstanceRecord:
    return make_record("a", settings=settings)


def test_a_record_becomes_what_it_says() -> None:
    definition = define_instance(
        _record(
            compatibility="2021",
            accepted_tcb=["UpToDate"],
            evaluation="early",
            expired_collateral_grace_hours=1.5,
            tcb_claims_in_token=True,
            policies={"Tpm": _PERMIT},
        ),
        Surroundings(evaluation=EvaluationSelection.parse("17")),
    )

    assert (definition.name, definition.issuer) == ("a", "https://a.example")
    assert definition.appraisal == AppraisalSettings(
        accepted_tcb=frozenset({TcbStatus.UP_TO_DATE}),
        compatibility=Compatibility.Y2021,
        expired_collateral_grace=timedelta(hours=1.5),
        tcb_claims_in_token=True,
    )
    assert definition.evaluation.name == "early"
    assert definition.default_policy("Tpm") == _PERMIT
    assert definition.roots == intel_sgx_anchors()


def test_what_a_record_does_not_say_is_the_server_s() -> None:
    surroundings = Surroundings(evaluation=EvaluationSelection.parse("17"))

    assert define_instance(_record(), surroundings).evaluation.number == 17


def test_a_simulated_platform_is_trusted_by_name_only() -> None:
    simulated = Surroundings(simulated=simulated_platform().anchors)

    assert any(root.simulated for root in define_instance(_record(simulator=True), simulated).roots)
    assert not any(root.simulated for root in define_instance(_record(), simulated).roots)
    with pytest.raises(SettingsError, match="this server simulates nothing"):
        define_instance(_record(simulator=True), Surroundings())


def _stored(jws: str) -> PolicyRecord:
    return PolicyRecord(
        instance="a",
        attestation_type="SgxEnclave",
        jws=jws.encode(),
        text_hash="",
        version=1,
        changed_at=AT,
    )


def test_a_policy_that_was_set_is_applied_with_its_signer() -> None:
    keys = make_instance().keys
    definition = define_instance(_record(), Surroundings())

    instance = create_instance(definition, keys, [_stored(signed(stored_policy(_PERMIT)))])

    policy = instance.policies[_SGX]
    assert policy.compiled.text == _PERMIT
    assert policy.signer == signer_jwk((owner(),))
    assert instance.policies[AttestationType.OPEN_ENCLAVE].signer is None


@pytest.mark.parametrize(
    ("jws", "expected"),
    [
        ("text", "the policy for SgxEnclave is not one"),
        (unsecured(stored_policy("nonsense")), "the policy for SgxEnclave is not one"),
        (unsecured(b""), "SgxEnclave needs a policy and has none"),
    ],
)
def test_a_policy_in_the_store_that_cannot_be_applied_stops_the_instance(
    jws: str, expected: str
) -> None:
    keys = make_instance().keys
    definition = define_instance(_record(), Surroundings())

    with pytest.raises(SettingsError, match=expected):
        create_instance(definition, keys, [_stored(jws)])


def _sharing(name: str, memories: SharedMemories, **changes: Any) -> Instance:  # noqa: ANN401
    definition = InstanceDefinition(name=name, issuer=f"https://{name}.example", **changes)
    key = signing_key()
    keys = InstanceKeys(active=key, published=(key,))
    return create_instance(definition, keys, memories=memories)


def test_instances_under_the_same_roots_share_what_is_remembered() -> None:
    memories = SharedMemories()
    # Equal, and not the same object.
    roots = tuple(replace(anchor) for anchor in intel_sgx_anchors())

    one, two = _sharing("one", memories), _sharing("two", memories, roots=roots)
    other = _sharing("other", memories, roots=simulated_platform().anchors)

    assert one.memory is two.memory
    assert one.definition.roots is two.definition.roots is one.memory.roots
    assert other.memory is not one.memory
    assert other.memory.roots == simulated_platform().anchors


def test_what_is_remembered_goes_with_the_last_instance() -> None:
    memories = SharedMemories()
    kept = weakref.ref(_sharing("one", memories).memory)
    gc.collect()

    assert kept() is None


def test_instances_that_were_made_apart_share_nothing() -> None:
    assert make_instance().memory is not make_instance().memory
