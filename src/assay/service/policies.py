"""The use cases about policies: read, set, reset, look back, go back.

Source: MAA protocol, section 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assay.encoding import JsonValue
from assay.errors import Finding, RequestError, TokenError
from assay.policy import policy_hash
from assay.service.authority import find_authority
from assay.service.instance_options import default_text, read_options
from assay.service.instances import check_policy
from assay.store import Author, PolicyAction, PolicyChange, SentPolicy, Store
from assay.token import (
    OwnerToken,
    policy_removed,
    policy_updated,
    read_owner_token,
    read_policy_text,
    unsecured_policy,
)

POLICY_TYPES: Final = (
    "SgxEnclave",
    "OpenEnclave",
    "Tpm",
    "SevSnpVm",
    "TdxVm",
    "AzureGuest",
    "Pluton",
    "KeyGuard",
    "MdepTz",
    "AiHsm",
)
"""What a policy can be for: every attestation type of the protocol, attested here or not."""

_BY_NAME: Final = {name.lower(): name for name in POLICY_TYPES}
_SHOWN_CHARACTERS: Final = 64


def policy_type(name: str) -> str:
    """The protocol's spelling of an attestation type, given in any case.

    Raises:
        RequestError: There is no such type.
    """
    found = _BY_NAME.get(name.lower())
    if found is None:
        raise RequestError(
            f"there is no attestation type {name[:_SHOWN_CHARACTERS]!r}; there are "
            f"{', '.join(POLICY_TYPES)}"
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyService:
    """Policies of any instance of a store.

    Methods raise `UnknownInstanceError` where there is no such instance, and
    `StoreUnavailableError` when the database fails.
    """

    store: Store
    now: Callable[[], datetime]

    def get(self, instance: str, attestation_type: str) -> str:
        """The stored policy as a JWS: as it was sent, or one that stands for the default."""
        record = self.store.instances.require(instance)
        stored = self.store.policies.get(instance, attestation_type)
        if stored is not None and stored.jws is not None:
            return stored.jws.decode("ascii")
        options = read_options(record.settings, instance=instance)
        return unsecured_policy(
            default_text(options.policies, attestation_type, options.compatibility)
        )

    def set(
        self, instance: str, attestation_type: str, jws: str, *, by: Author
    ) -> dict[str, JsonValue]:
        """Apply a policy from now on; the content of the answer.

        Raises:
            TokenError: Not a JWS with a policy in it.
            OperationRefusedError: The instance does not allow it.
            UntrustedSignerError: Signed by somebody who may not.
            PolicySyntaxError: The text is not a policy.
            PolicyEvaluationError: A configuration rule of it fails.
        """
        token, under = self._authorize(instance, jws)
        text = read_policy_text(token)
        if text is None:
            raise _bad_payload("a policy; an empty one is for resetting", "an empty payload")
        # Whatever would fail at the next attestation fails now.
        check_policy(text)
        self.store.policies.change(
            instance,
            attestation_type,
            SentPolicy(jws=jws.encode("ascii"), text_hash=policy_hash(text)),
            at=self.now(),
            by=by,
            under=under,
        )
        return policy_updated(jws, token.certificates)

    def reset(
        self, instance: str, attestation_type: str, jws: str, *, by: Author
    ) -> dict[str, JsonValue]:
        """Go back to the default policy; the content of the answer.

        The payload has to be empty: a signed policy, which everyone who may read can see, is no
        permission to remove it.

        Raises:
            TokenError: Not a JWS with an empty payload.
            OperationRefusedError: The instance does not allow it.
            UntrustedSignerError: Signed by somebody who may not.
        """
        token, under = self._authorize(instance, jws)
        if token.payload:
            raise _bad_payload("an empty payload, which asks for a reset", "another")
        self.store.policies.change(
            instance,
            attestation_type,
            SentPolicy(jws=jws.encode("ascii"), text_hash=None),
            at=self.now(),
            by=by,
            under=under,
        )
        return policy_removed()

    def history(self, instance: str, attestation_type: str) -> tuple[PolicyChange, ...]:
        """Every change, the oldest first."""
        self.store.instances.require(instance)
        return self.store.policies.history(instance, attestation_type)

    def version(self, instance: str, attestation_type: str, version: int) -> PolicyChange:
        """One change.

        Raises:
            RequestError: There is no such version.
        """
        changes = self.history(instance, attestation_type)
        for change in changes:
            if change.version == version:
                return change
        known = f"there are 1 to {changes[-1].version}" if changes else "there is none"
        raise RequestError(
            f"policy {attestation_type} of instance {instance!r} has no version {version}; {known}"
        )

    def roll_back(
        self, instance: str, attestation_type: str, version: int, *, by: Author
    ) -> dict[str, JsonValue]:
        """Do again what made `version`, as a new version; the content of the answer.

        What was sent then is judged anew: a signature counts only if its signer still does.

        Raises:
            RequestError: There is no such version, or what was sent then was not kept.
            TokenError: As `set` and `reset`, and so are the others.
        """
        change = self.version(instance, attestation_type, version)
        if change.jws is None:
            raise RequestError(
                f"version {version} is a reset by an earlier release, which did not keep what was "
                "sent; reset the policy instead"
            )
        repeat = self.set if change.action is PolicyAction.SET else self.reset
        return repeat(instance, attestation_type, change.jws.decode("ascii"), by=by)

    def _authorize(self, instance: str, jws: str) -> tuple[OwnerToken, str | None]:
        record = self.store.instances.require(instance)
        token = read_owner_token(jws)
        signers = self.store.signers.of(instance)
        return token, find_authority(record, token, signers, at=self.now())


def _bad_payload(expected: str, actual: str) -> TokenError:
    finding = Finding(check="owner.jws.payload", expected=expected, actual=actual)
    return TokenError(f"the JWS needs {expected}, got {actual}", findings=[finding])
