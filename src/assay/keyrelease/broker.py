"""The broker: gives a secret to an enclave that a token vouches for, and writes down that it did.

A release takes these steps, and stops at the first that fails:

1. the challenge is redeemed: known, new, current, for this secret and this requester;
2. the token is verified: signature, issuer, times, and what is demanded of every token;
3. the secret's own rules are met;
4. the token's runtime data names the key and this very challenge, secret and requester;
5. the secret is opened: sealed under its name, version and rules;
6. it is encrypted to that key, with the context in the authenticated header;
7. the record of it is on the disk;
8. and only then is it answered.

Refusals are recorded, too, with the codes of their findings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import final

from assay.audit import AuditEvent, AuditOutcome
from assay.encoding import JsonValue
from assay.errors import AssayError, ReleaseRefusedError
from assay.keyrelease.attested_key import attested_key
from assay.keyrelease.audit_file import AuditFile
from assay.keyrelease.challenges import Challenges
from assay.keyrelease.context import ReleaseContext, check_requester, check_secret_name, refused
from assay.keyrelease.envelope import wrap
from assay.keyrelease.settings import Secret
from assay.keys import KeyEncryptionKey
from assay.relying_party.aio import AsyncTokenVerifier

_SHOWN_CLAIMS = ("jti", "x-ms-sgx-mrenclave", "x-ms-sgx-mrsigner", "x-ms-policy-hash")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerParts:
    """What a broker is made of."""

    secrets: Mapping[str, Secret]
    verifier: AsyncTokenVerifier
    challenges: Challenges
    audit: AuditFile
    key: KeyEncryptionKey
    now: Callable[[], datetime]


@final
@dataclass(slots=True)
class _Account:
    """What is known of a request so far, for its record."""

    details: dict[str, str]


@final
class Broker:
    """Releases secrets. For one event loop, and one process for one audit file."""

    __slots__ = ("_parts",)

    def __init__(self, parts: BrokerParts) -> None:
        self._parts = parts

    async def close(self) -> None:
        """Close the verifier's connections and the audit file."""
        await self._parts.verifier.close()
        self._parts.audit.close()

    def challenge(self, secret: str, requester: str) -> tuple[ReleaseContext, datetime]:
        """A challenge for a secret, and when it ends.

        Raises:
            ReleaseRefusedError: There is no such secret, or a name is malformed.
        """
        check_requester(requester)
        self._secret(secret)
        return self._parts.challenges.issue(secret, requester, at=self._parts.now())

    async def release(self, context: ReleaseContext, token: str, *, address: str = "") -> str:
        """The secret, encrypted to the key that the token vouches for.

        Args:
            context: What is asked for, with the challenge's nonce.
            token: The attestation service's.
            address: The caller's, for the record.

        Raises:
            ReleaseRefusedError: The request is refused; that is on record.
            TokenError: The token is; so is that.
            IssuerUnavailableError: The token cannot be judged now.
            SettingsError: The secret cannot be read.
            StoreUnavailableError: The record cannot be written. Nothing was released.
        """
        account = _Account({"token": hashlib.sha256(token.encode()).hexdigest()})
        try:
            envelope = await self._release(context, token, account)
        except AssayError as error:
            self._record(context, AuditOutcome.REFUSED, address, account, error)
            raise
        self._record(context, AuditOutcome.DONE, address, account)
        return envelope

    async def _release(self, context: ReleaseContext, token: str, account: _Account) -> str:
        parts = self._parts
        # 1.
        parts.challenges.redeem(context, at=parts.now())
        secret = self._secret(context.secret)
        account.details |= {
            "policy": secret.policy.digest,
            "version": str(secret.sealed.version),
        }
        # 2.
        claims = (await parts.verifier.verify(token)).claims
        account.details |= _shown(claims)
        # 3.
        findings = secret.policy.findings(claims)
        if findings:
            reasons = "; ".join(f"need {one.expected}, got {one.actual}" for one in findings)
            raise ReleaseRefusedError(
                f"the enclave is not the secret's: {reasons}", findings=findings
            )
        # 4.
        attested = attested_key(claims)
        if attested.context != context:
            raise refused(
                "keyrelease.token.context", f"a token for {context}", f"one for {attested.context}"
            )
        account.details["key"] = attested.key.thumbprint()
        # 5. and 6.
        return wrap(secret.sealed.open(parts.key), attested.key, context)

    def _secret(self, name: str) -> Secret:
        check_secret_name(name)
        found = self._parts.secrets.get(name)
        if found is None:
            raise refused("keyrelease.secret.unknown", "a secret of this broker", name)
        return found

    def _record(
        self,
        context: ReleaseContext,
        outcome: AuditOutcome,
        address: str,
        account: _Account,
        error: AssayError | None = None,
    ) -> None:
        if error is not None:
            codes = [finding.check for finding in error.findings] or [type(error).__name__]
            account.details["findings"] = " ".join(dict.fromkeys(codes))
        self._parts.audit.record(
            AuditEvent(
                at=self._parts.now(),
                action="secret.release",
                outcome=outcome,
                actor_kind="enclave",
                actor_name=context.requester,
                address=address,
                target=context.secret,
                request=context.nonce,
                details=account.details,
            )
        )


def _shown(claims: Mapping[str, JsonValue]) -> dict[str, str]:
    return {name: str(claims[name])[:128] for name in _SHOWN_CLAIMS if name in claims}
