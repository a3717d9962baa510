"""An instance: who issues, with which key, under which policies and settings.

Source: MAA protocol, section 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from assay.appraisal import AppraisalSettings, baseline
from assay.endorsements.anchors import Anchors, intel_sgx_anchors
from assay.endorsements.source import STANDARD, EvaluationSelection
from assay.errors import PolicyError, SettingsError
from assay.evidence.dcap.memory import BoundedMemory, DcapMemory
from assay.evidence.format import AttestationType
from assay.keys import SigningKey
from assay.policy import CompiledPolicy, compile_policy, default_policy
from assay.store import TrustModel

_DRAFTS: Final = 16
_KEPT_CHARACTERS: Final = 16_384
"""Longer than any published policy. A compiled one takes up to a hundred times its text, and
drafts come from any caller."""


class PolicyExplanations(StrEnum):
    """What a caller whose evidence the policy refuses learns."""

    FULL = "full"
    """The rule that refused or came closest, its conditions, and what the evidence has."""

    MINIMAL = "minimal"
    """That it refused, in MAA's words. The reasons are in the service's log only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDefinition:
    """An instance as its owner describes it."""

    name: str
    issuer: str
    """Public URL without a trailing slash."""

    trust_model: TrustModel = TrustModel.AAD
    appraisal: AppraisalSettings = field(default_factory=AppraisalSettings)
    roots: Anchors = field(default_factory=intel_sgx_anchors)
    evaluation: EvaluationSelection = STANDARD
    """What a policy that names no TCB evaluation data set is judged by."""

    policy_explanations: PolicyExplanations = PolicyExplanations.FULL
    policies: Mapping[AttestationType, str] = field(default_factory=dict)
    """Texts; a type without one has the default policy of the instance's compatibility."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceKeys:
    """The signing keys of one instance."""

    active: SigningKey
    """Signs."""

    published: tuple[SigningKey, ...]
    """What relying parties may meet: the active key, then the others, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePolicy:
    """A policy, and the TCB evaluation data set that it is about."""

    compiled: CompiledPolicy
    evaluation: EvaluationSelection


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance ready to attest."""

    definition: InstanceDefinition
    keys: InstanceKeys
    policies: Mapping[AttestationType, InstancePolicy]
    memory: DcapMemory
    """What its verifications remember, under its roots."""

    drafts: BoundedMemory[str, InstancePolicy] = field(
        default_factory=lambda: BoundedMemory(_DRAFTS)
    )
    """The draft policies used last: whoever works on one sends it again and again."""

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        return self.definition.issuer

    def draft(self, text: str) -> InstancePolicy:
        """The draft policy of `text`. May take a while where it is new.

        Raises:
            PolicySyntaxError: The text is not a policy.
            PolicyEvaluationError: A configuration rule fails.
        """
        if len(text) > _KEPT_CHARACTERS:
            return read_policy(text, self.definition)
        return self.drafts.recall(text, lambda: read_policy(text, self.definition))


def create_instance(definition: InstanceDefinition, keys: InstanceKeys) -> Instance:
    """The instance of a definition, with its policies compiled.

    Raises:
        SettingsError: A policy does not parse or a configuration rule of it fails; or a type has
            neither a policy nor a default.
    """
    return Instance(
        definition=definition,
        keys=keys,
        policies=MappingProxyType(
            {kind: _own_policy(definition, kind) for kind in AttestationType}
        ),
        memory=DcapMemory(definition.roots),
    )


def read_policy(text: str, definition: InstanceDefinition) -> InstancePolicy:
    """The policy of `text`, as the instance would apply it.

    Raises:
        PolicySyntaxError: The text is not a policy.
        PolicyEvaluationError: A configuration rule fails.
    """
    policy = compile_policy(text)
    named = baseline(policy)
    return InstancePolicy(
        compiled=policy,
        evaluation=(
            EvaluationSelection.parse(named) if named.isdecimal() else definition.evaluation
        ),
    )


def _own_policy(definition: InstanceDefinition, kind: AttestationType) -> InstancePolicy:
    text = definition.policies.get(kind)
    if text is None:
        text = default_policy(kind.value, definition.appraisal.compatibility.value)
    if text is None:
        raise SettingsError(f"instance {definition.name!r}: {kind} needs a policy and has none")
    try:
        return read_policy(text, definition)
    except PolicyError as error:
        raise SettingsError(
            f"instance {definition.name!r}: the policy for {kind} is not one: {error.message}"
        ) from error
