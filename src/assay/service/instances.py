"""An instance: who issues, with which key, under which policies and settings.

Source: MAA protocol, section 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final
from weakref import WeakValueDictionary

import msgspec
from cryptography import x509

from assay.appraisal import AppraisalSettings, baseline
from assay.encoding import JsonValue, decode_base64, encode_json
from assay.endorsements.anchors import Anchors, intel_sgx_anchors, read_anchors
from assay.endorsements.source import STANDARD, EvaluationSelection
from assay.endorsements.tpm import tpm_anchors
from assay.errors import PolicyError, SettingsError, TokenError
from assay.evidence.dcap.memory import BoundedMemory, DcapMemory
from assay.evidence.format import AttestationType
from assay.keys import SigningKey
from assay.policy import CompiledPolicy, compile_policy
from assay.service.instance_options import (
    InstanceOptions,
    PolicyExplanations,
    default_text,
    read_options,
)
from assay.store import InstanceRecord, PolicyRecord, TrustModel
from assay.token import (
    jwks,
    openid_configuration,
    read_owner_token,
    read_policy_text,
    signer_jwk,
    signing_certificate,
)
from assay.x509.path import PathAnchors

TPM: Final = "Tpm"
"""The attestation type of TPMs, as the protocol spells it in policy keys."""

_DRAFTS: Final = 16
_KEPT_CHARACTERS: Final = 16_384
"""Longer than any published policy. A compiled one takes up to a hundred times its text, and
drafts come from any caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmTrust:
    """Whose TPMs an instance attests, and for whom."""

    anchors: PathAnchors = field(default_factory=tpm_anchors)
    """Authorities of attestation keys and of endorsement keys."""

    authentication: bool = True
    """Whether only callers who are known may have TPMs attested."""


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
    tpm: TpmTrust = field(default_factory=TpmTrust)
    policies: Mapping[str, str] = field(default_factory=dict)
    """Texts that are its own defaults, by attestation type."""

    def default_policy(self, attestation_type: str) -> str | None:
        """What applies where no policy is set: its own default, the protocol's, or nothing."""
        return default_text(self.policies, attestation_type, self.appraisal.compatibility)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the server that hosts an instance adds to its description."""

    evaluation: EvaluationSelection = STANDARD
    simulated: Anchors | None = None
    """The root of the simulated platform, where the server has one."""


def _self_signed(key: SigningKey, issuer: str) -> bytes:
    return signing_certificate(key, issuer=issuer)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceKeys:
    """The signing keys of one instance."""

    active: SigningKey
    """Signs."""

    published: tuple[SigningKey, ...]
    """What relying parties may meet: the active key, then the others, oldest first."""

    chains: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """By identifier, the certificates of keys that somebody else certified, leaf first."""

    certify: Callable[[SigningKey, str], bytes] = _self_signed
    """The certificate of any other key, for the issuer's URL."""

    def chain(self, key: SigningKey, issuer: str) -> tuple[bytes, ...]:
        """The certificates of a key, its own first.

        Raises:
            SettingsError: There is to be evidence in it, and there is none.
            SigningUnavailableError: The key's device does not sign.
        """
        return self.chains.get(key.kid) or (self.certify(key, issuer),)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePolicy:
    """A policy, and the TCB evaluation data set that it is about."""

    compiled: CompiledPolicy
    evaluation: EvaluationSelection
    signer: JsonValue = None
    """`x-ms-policy-signer`, where somebody signed it."""


class SharedMemories:
    """One memory for each set of roots, for as long as an instance uses it.

    What is kept depends on nothing of an instance but its roots. Kept for each, a server with many
    instances would verify and hold every platform and its collateral as many times. Safe to share
    between threads: of two memories that are made at once, each is as good as the other.
    """

    def __init__(self) -> None:
        self._memories: WeakValueDictionary[Anchors, DcapMemory] = WeakValueDictionary()

    def under(self, roots: Anchors) -> DcapMemory:
        """The memory of verifications under these roots."""
        found = self._memories.get(roots)
        if found is None:
            found = self._memories[roots] = DcapMemory(roots)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance ready to attest."""

    definition: InstanceDefinition
    keys: InstanceKeys
    policies: Mapping[AttestationType, InstancePolicy]
    tpm_policy: InstancePolicy | None
    """The policy for TPMs, which has no default."""

    aik_authority: x509.Certificate | None
    """Its own authority for attestation keys, if it has one."""

    memory: DcapMemory
    """What verifications under its roots remember; instances may share it."""

    key_set: bytes
    """The JWKS document. Made once: signing a certificate for whoever asks would be work for free.
    """

    metadata: bytes
    """The OpenID metadata document."""

    drafts: BoundedMemory[str, InstancePolicy] = field(
        default_factory=lambda: BoundedMemory(_DRAFTS)
    )
    """The draft policies used last: whoever works on one sends it again and again."""

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        return self.definition.issuer

    @property
    def tpm_anchors(self) -> PathAnchors:
        """Authorities of attestation keys, the instance's own included."""
        found = self.definition.tpm.anchors
        if self.aik_authority is None:
            return found
        return replace(found, roots=(*found.roots, self.aik_authority))

    @property
    def active_certificates(self) -> tuple[bytes, ...]:
        """The certificates of the key that signs, in DER, as the key set publishes them."""
        keys = msgspec.json.decode(self.key_set, type=_KeySet).keys
        active = next(key for key in keys if key.kid == self.keys.active.kid)
        return tuple(decode_base64(one, "x5c") for one in active.x5c)

    def draft(self, text: str) -> InstancePolicy:
        """The draft policy of `text`. May take a while where it is new.

        Raises:
            PolicySyntaxError: The text is not a policy.
            PolicyEvaluationError: A configuration rule fails.
        """
        if len(text) > _KEPT_CHARACTERS:
            return read_policy(text, self.definition)
        return self.drafts.recall(text, lambda: read_policy(text, self.definition))


class _Key(msgspec.Struct):
    kid: str
    x5c: list[str]


class _KeySet(msgspec.Struct):
    keys: list[_Key]


def define_instance(record: InstanceRecord, surroundings: Surroundings) -> InstanceDefinition:
    """The instance of a record, as the server hosts it.

    Raises:
        SettingsError: The record's settings are not ones of this release, or the instance is for
            simulated evidence and the server simulates nothing.
    """
    options = read_options(record.settings, instance=record.name)
    evaluation = surroundings.evaluation
    if options.evaluation is not None:
        evaluation = EvaluationSelection.parse(options.evaluation)
    return InstanceDefinition(
        name=record.name,
        issuer=record.issuer,
        trust_model=record.trust_model,
        appraisal=AppraisalSettings(
            accepted_tcb=options.accepted_tcb,
            compatibility=options.compatibility,
            tcb_claims_in_token=options.tcb_claims_in_token,
            expired_collateral_grace=timedelta(hours=options.expired_collateral_grace_hours),
        ),
        roots=_roots(record.name, options, surroundings.simulated),
        evaluation=evaluation,
        policy_explanations=options.policy_explanations,
        policies=options.policies,
        tpm=TpmTrust(
            anchors=tpm_anchors(
                (pem.encode() for pem in options.tpm_roots),
                (pem.encode() for pem in options.tpm_intermediates),
            ),
            authentication=options.tpm_attestation_authentication,
        ),
    )


def create_instance(
    definition: InstanceDefinition,
    keys: InstanceKeys,
    stored: Iterable[PolicyRecord] = (),
    *,
    aik_authority: bytes | None = None,
    memories: SharedMemories | None = None,
) -> Instance:
    """The instance of a definition, with its policies compiled.

    Args:
        definition: The instance.
        keys: What signs its tokens.
        stored: The policies that its owner has set.
        aik_authority: The certificate of its own authority for attestation keys, in DER.
        memories: Where it finds the memory that it shares with others; it has its own without.

    Raises:
        SettingsError: A policy does not parse or a configuration rule of it fails; or a type has
            neither a policy nor a default; or there is no evidence about a key.
        SigningUnavailableError: The device of a key does not sign its certificate.
    """
    memory = (memories or SharedMemories()).under(definition.roots)
    # One object for all who share it: that these are its roots is asked with each request.
    definition = replace(definition, roots=memory.roots)
    sent = {policy.attestation_type: policy.jws for policy in stored if policy.jws is not None}
    algorithms = [key.algorithm for key in keys.published]
    return Instance(
        definition=definition,
        keys=keys,
        policies=MappingProxyType(
            {
                kind: _own_policy(definition, kind.value, sent.get(kind.value))
                for kind in AttestationType
            }
        ),
        tpm_policy=_tpm_policy(definition, sent.get(TPM)),
        aik_authority=(
            None if aik_authority is None else x509.load_der_x509_certificate(aik_authority)
        ),
        memory=memory,
        key_set=_key_set(definition.issuer, keys),
        metadata=encode_json(openid_configuration(definition.issuer, algorithms=algorithms)),
    )


def _key_set(issuer: str, keys: InstanceKeys) -> bytes:
    chains = {key.kid: keys.chain(key, issuer) for key in keys.published}
    return encode_json(
        jwks(
            ((key, chains[key.kid][0]) for key in keys.published),
            issuers={kid: chain[1:] for kid, chain in chains.items()},
        )
    )


def read_policy(text: str, definition: InstanceDefinition) -> InstancePolicy:
    """The policy of `text`, as the instance would apply it.

    Raises:
        PolicySyntaxError: The text is not a policy.
        PolicyEvaluationError: A configuration rule fails.
    """
    return _compile(text, definition.evaluation)


def check_policy(text: str) -> None:
    """Check that a text is a policy which can be applied.

    Raises:
        PolicySyntaxError: The text is not a policy.
        PolicyEvaluationError: A configuration rule fails.
    """
    _compile(text, STANDARD)


def _compile(text: str, evaluation: EvaluationSelection) -> InstancePolicy:
    policy = compile_policy(text)
    named = baseline(policy)
    return InstancePolicy(
        compiled=policy,
        evaluation=EvaluationSelection.parse(named) if named.isdecimal() else evaluation,
    )


def _own_policy(definition: InstanceDefinition, kind: str, jws: bytes | None) -> InstancePolicy:
    try:
        text, signer = _sent_policy(jws) if jws else (definition.default_policy(kind), None)
        if text is None:
            raise SettingsError(f"instance {definition.name!r}: {kind} needs a policy and has none")
        return replace(read_policy(text, definition), signer=signer)
    except (PolicyError, TokenError) as error:
        raise SettingsError(
            f"instance {definition.name!r}: the policy for {kind} is not one: {error.message}"
        ) from error


def _tpm_policy(definition: InstanceDefinition, jws: bytes | None) -> InstancePolicy | None:
    if jws is None and definition.default_policy(TPM) is None:
        return None
    return _own_policy(definition, TPM, jws)


def _sent_policy(jws: bytes) -> tuple[str | None, JsonValue]:
    token = read_owner_token(jws.decode("ascii"))
    return read_policy_text(token), signer_jwk(token.certificates) if token.signed else None


def _roots(name: str, options: InstanceOptions, simulated: Anchors | None) -> Anchors:
    own = read_anchors(pem.encode() for pem in options.roots)
    if not options.simulator:
        return (*intel_sgx_anchors(), *own)
    if simulated is None:
        raise SettingsError(
            f"instance {name!r} is for simulated evidence, and this server simulates nothing; "
            "start it with --dev and --simulator, or remove the instance"
        )
    return (*intel_sgx_anchors(), *own, *simulated)
