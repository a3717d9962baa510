"""Policies and their history in the store. Every method is one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, final

import sqlalchemy as sa

from assay.store.changes import Change, changing
from assay.store.engine import reading
from assay.store.records import Author, PolicyAction, PolicyChange, PolicyRecord, SentPolicy
from assay.store.signers import check_signer
from assay.store.tables import POLICIES, POLICY_CHANGES

_DEFAULT: Final = "default"
"""In place of a hash: the policy that applies where none is set."""


@final
class PolicyTable:
    """Policies by instance and type. Methods raise `StoreUnavailableError` as the database fails.

    Changes have one order. The last one holds, and each stays in the history.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, instance: str, attestation_type: str) -> PolicyRecord | None:
        """What was last set or reset, or nothing if there never was a change."""
        with reading(self._engine) as connection:
            row = connection.execute(_query(instance, attestation_type)).first()
        return None if row is None else _policy(row)

    def of(self, instance: str) -> tuple[PolicyRecord, ...]:
        """Every policy of the instance that was ever changed, by attestation type."""
        with reading(self._engine) as connection:
            return read_policies(connection, instance)

    def history(self, instance: str, attestation_type: str) -> tuple[PolicyChange, ...]:
        """Every change, the oldest first."""
        query = (
            POLICY_CHANGES.select()
            .where(
                POLICY_CHANGES.c.instance == instance,
                POLICY_CHANGES.c.attestation_type == attestation_type,
            )
            .order_by(POLICY_CHANGES.c.version)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(_change(row) for row in rows)

    def instances_with(self, attestation_type: str) -> frozenset[str]:
        """The instances that have ever had a policy of a type set, by name."""
        column = POLICY_CHANGES.c.instance
        query = (
            sa.select(column)
            .where(POLICY_CHANGES.c.attestation_type == attestation_type)
            .distinct()
        )
        with reading(self._engine) as connection:
            return frozenset(connection.scalars(query))

    def change(
        self,
        instance: str,
        attestation_type: str,
        sent: SentPolicy,
        *,
        at: datetime,
        by: Author,
        under: str | None = None,
    ) -> PolicyRecord:
        """Set a policy, or go back to the default, under the next version.

        Args:
            instance: The instance's name.
            attestation_type: In the protocol's spelling.
            sent: What the owner sent.
            at: The instant of the change.
            by: Who makes it.
            under: The fingerprint of the signer that allows it, where one has to.

        Raises:
            UnknownInstanceError: There is no such instance.
            UntrustedSignerError: The signer that allows it is no longer one.
        """
        with changing(self._engine) as change:
            change.touch(instance)
            if under is not None:
                check_signer(change, instance, under)
            present = change.connection.execute(_query(instance, attestation_type)).first()
            policy = PolicyRecord(
                instance=instance,
                attestation_type=attestation_type,
                jws=None if sent.text_hash is None else sent.jws,
                text_hash=sent.text_hash,
                version=1 if present is None else present.version + 1,
                changed_at=at,
            )
            _keep(change, policy, present)
            _remember(change, policy, present, sent=sent, by=by)
            change.record(
                "policy.reset" if sent.text_hash is None else "policy.set",
                at=at,
                by=by,
                instance=instance,
                target=attestation_type,
                old=(present and present.text_hash) or _DEFAULT,
                new=sent.text_hash or _DEFAULT,
            )
        return policy


def read_policies(connection: sa.Connection, instance: str) -> tuple[PolicyRecord, ...]:
    """Every policy of the instance that was ever changed, by attestation type."""
    query = (
        POLICIES.select()
        .where(POLICIES.c.instance == instance)
        .order_by(POLICIES.c.attestation_type)
    )
    return tuple(_policy(row) for row in connection.execute(query))


def _keep(change: Change, policy: PolicyRecord, present: sa.Row[Any] | None) -> None:
    values = {
        "jws": policy.jws,
        "text_hash": policy.text_hash,
        "version": policy.version,
        "changed_at": policy.changed_at,
    }
    key = _key(policy)
    if present is None:
        change.connection.execute(POLICIES.insert().values(**key, **values))
        return
    of_key = [POLICIES.c[name] == value for name, value in key.items()]
    change.connection.execute(POLICIES.update().where(*of_key).values(**values))


def _remember(
    change: Change,
    policy: PolicyRecord,
    present: sa.Row[Any] | None,
    *,
    sent: SentPolicy,
    by: Author,
) -> None:
    action = PolicyAction.RESET if sent.text_hash is None else PolicyAction.SET
    change.connection.execute(
        POLICY_CHANGES.insert().values(
            **_key(policy),
            version=policy.version,
            action=action.value,
            jws=sent.jws,
            text_hash=sent.text_hash,
            previous_hash=None if present is None else present.text_hash,
            changed_at=policy.changed_at,
            changed_by=str(by),
            changed_from=by.address,
        )
    )


def _key(policy: PolicyRecord) -> dict[str, str]:
    return {"instance": policy.instance, "attestation_type": policy.attestation_type}


def _query(instance: str, attestation_type: str) -> sa.Select[Any]:
    return POLICIES.select().where(
        POLICIES.c.instance == instance, POLICIES.c.attestation_type == attestation_type
    )


def _policy(row: sa.Row[Any]) -> PolicyRecord:
    return PolicyRecord(
        instance=row.instance,
        attestation_type=row.attestation_type,
        jws=row.jws,
        text_hash=row.text_hash,
        version=row.version,
        changed_at=row.changed_at,
    )


def _change(row: sa.Row[Any]) -> PolicyChange:
    return PolicyChange(
        instance=row.instance,
        attestation_type=row.attestation_type,
        version=row.version,
        action=PolicyAction(row.action),
        jws=row.jws,
        text_hash=row.text_hash,
        previous_hash=row.previous_hash,
        changed_at=row.changed_at,
        changed_by=Author(name=row.changed_by, address=row.changed_from),
    )
