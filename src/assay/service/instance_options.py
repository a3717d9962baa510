"""What an instance's owner or operator can choose for it, as it rests in the store."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from assay.appraisal import MAA_ACCEPTED_TCB, Compatibility
from assay.encoding import JsonValue
from assay.endorsements.tcb import TcbStatus
from assay.errors import SettingsError
from assay.keys import SigningAlgorithm
from assay.policy import default_policy

MAX_GRACE_HOURS: Final = 24 * 366
MAX_OVERLAP_HOURS: Final = 24 * 366
MAX_ROTATION_DAYS: Final = 3660


class PolicyExplanations(StrEnum):
    """What a caller whose evidence the policy refuses learns."""

    FULL = "full"
    """The rule that refused or came closest, its conditions, and what the evidence has."""

    MINIMAL = "minimal"
    """That it refused, in MAA's words. The reasons are in the service's log only."""


class InstanceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one instance. Values that are not kept are the defaults of the release."""

    accepted_tcb: frozenset[TcbStatus] = MAA_ACCEPTED_TCB
    compatibility: Compatibility = Compatibility.CURRENT
    evaluation: Annotated[str, Meta(pattern=r"^(standard|early|[1-9][0-9]{0,8})$")] | None = None
    """Which TCB evaluation data set; the server's choice if not set."""

    expired_collateral_grace_hours: Annotated[float, Meta(ge=0, le=MAX_GRACE_HOURS)] = 0
    key_overlap_hours: Annotated[float, Meta(ge=0, le=MAX_OVERLAP_HOURS)] | None = None
    """For how long a key is published before it signs; the server's choice if not set."""

    key_rotation_days: Annotated[float, Meta(ge=0, le=MAX_ROTATION_DAYS)] | None = None
    """For how long a key signs, 0 for ever; the server's choice if not set."""

    policies: dict[str, str] = msgspec.field(default_factory=dict)
    """Texts that are the default of their attestation type, in place of the protocol's."""

    policy_explanations: PolicyExplanations = PolicyExplanations.FULL
    roots: tuple[str, ...] = ()
    """Roots that are trusted besides Intel's, in PEM."""

    simulator: bool = False
    """Whether a simulated platform is trusted. Only a server in `dev` has one."""

    tcb_claims_in_token: bool = False
    token_algorithm: SigningAlgorithm = SigningAlgorithm.RS256
    tpm_attestation_authentication: bool = True
    """Whether only callers who are known may have TPMs attested."""

    tpm_intermediates: tuple[str, ...] = ()
    """Authorities below TPM roots, in PEM."""

    tpm_roots: tuple[str, ...] = ()
    """Roots of TPMs' certificates that are trusted besides Microsoft's, in PEM."""


def read_options(settings: Mapping[str, JsonValue], *, instance: str) -> InstanceOptions:
    """The options that a record keeps.

    Raises:
        SettingsError: They are not options of this release.
    """
    try:
        return msgspec.convert(dict(settings), InstanceOptions)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"instance {instance!r}: its settings in the database are not ones of this release: "
            f"{error}; run the release that wrote them"
        ) from error


def kept_options(options: InstanceOptions) -> dict[str, JsonValue]:
    """The options for a record: those that differ from the defaults, always in the same form."""
    default = InstanceOptions()
    chosen: dict[str, JsonValue] = msgspec.to_builtins(options, order="deterministic")
    return {
        name: value
        for name, value in chosen.items()
        if getattr(options, name) != getattr(default, name)
    }


def default_text(
    own: Mapping[str, str], attestation_type: str, compatibility: Compatibility
) -> str | None:
    """The policy that applies where none is set: the instance's own, the protocol's, or nothing."""
    return own.get(attestation_type) or default_policy(attestation_type, compatibility.value)
