"""The database at one moment, to be looked over: is it whole, and do its tables agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, final

import sqlalchemy as sa

from assay.audit import GENESIS, AuditHead
from assay.store.aik_authority import read_aik_authorities
from assay.store.context_keys import read_context_keys
from assay.store.engine import explained
from assay.store.keys import read_signing_keys
from assay.store.records import PolicyAction, SealedSecret, SigningKeyRecord, TrustModel
from assay.store.schema import check_schema, schema_differences
from assay.store.tables import (
    AUDIT,
    INSTANCES,
    POLICIES,
    POLICY_CHANGES,
    POLICY_SIGNERS,
    REVISION,
)

_ROWS: Final = 1000
"""Rows that are in memory at once, of tables that grow without end."""

_POSTGRESQL_DAMAGE: Final = (
    "SELECT 'constraint ' || conname || ' is not validated' FROM pg_constraint "
    "WHERE NOT convalidated AND connamespace = current_schema()::regnamespace "
    "UNION ALL "
    "SELECT 'index ' || indexrelid::regclass || ' is invalid' FROM pg_index "
    "JOIN pg_class ON pg_class.oid = indexrelid "
    "WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace "
    "UNION ALL "
    "SELECT checksum_failures || ' pages with a wrong checksum' FROM pg_stat_database "
    "WHERE datname = current_database() AND checksum_failures > 0"
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPolicy:
    """A policy that was set, as it was sent and with the hash that was kept beside it."""

    instance: str
    attestation_type: str
    version: int
    jws: bytes
    text_hash: str

    def __str__(self) -> str:
        return (
            f"version {self.version} of policy {self.attestation_type} of instance "
            f"{self.instance!r}"
        )


@final
class StoreSnapshot:
    """What to look at. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @explained()
    def check_schema(self) -> tuple[str, ...]:
        """What is not as this release's code uses it, in a database of its schema.

        Raises:
            StoreUnavailableError: The database has another schema.
        """
        check_schema(self._connection)
        return schema_differences(self._connection)

    @explained()
    def damage(self) -> tuple[str, ...]:
        """What the database itself finds wrong with what it keeps.

        SQLite reads all of it. PostgreSQL says what it has found so far.
        """
        if self._connection.dialect.name == "postgresql":
            return tuple(row[0] for row in self._connection.exec_driver_sql(_POSTGRESQL_DAMAGE))
        found = [row[0] for row in self._connection.exec_driver_sql("PRAGMA integrity_check")]
        orphans = self._connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return (
            *(text for text in found if text != "ok"),
            *(f"row {row[1]} of {row[0]} belongs to no row of {row[2]}" for row in orphans),
        )

    @explained()
    def disagreements(self) -> tuple[str, ...]:
        """What one table says and another denies."""
        return (
            *self._policies_without_history(),
            *self._histories_without_policy(),
            *self._unnumbered(),
            *self._signers_of_the_wrong_kind(),
        )

    def policies(self) -> Iterator[KeptPolicy]:
        """Every policy that was ever set, of every instance, the present ones among them."""
        query = (
            POLICY_CHANGES.select()
            .where(POLICY_CHANGES.c.action == PolicyAction.SET.value)
            .order_by(*POLICY_CHANGES.primary_key.columns)
        )
        for row in self._rows(query):
            yield KeptPolicy(
                instance=row.instance,
                attestation_type=row.attestation_type,
                version=row.version,
                jws=row.jws or b"",
                text_hash=row.text_hash or "",
            )

    def signing_keys(self) -> Iterator[tuple[str, tuple[SigningKeyRecord, ...]]]:
        """The keys of each instance, by its name."""
        query = sa.select(INSTANCES.c.name).order_by(INSTANCES.c.name)
        with explained():
            for name in self._connection.scalars(query).all():
                yield name, read_signing_keys(self._connection, name)

    @explained()
    def secrets(self) -> tuple[SealedSecret, ...]:
        """What else is sealed: context keys, and authorities for attestation keys."""
        return (
            *(record.secret for record in read_context_keys(self._connection)),
            *(record.secret for record in read_aik_authorities(self._connection)),
        )

    def audit_lines(self) -> Iterator[bytes]:
        """Every record of the audit record, the first one first."""
        query = sa.select(AUDIT.c.line).order_by(AUDIT.c.sequence)
        return (row.line for row in self._rows(query))

    @explained()
    def audit_head(self) -> AuditHead:
        """What the next record would be chained to."""
        query = sa.select(AUDIT.c.sequence, AUDIT.c.digest).order_by(AUDIT.c.sequence.desc())
        last = self._connection.execute(query.limit(1)).first()
        return GENESIS if last is None else AuditHead(sequence=last.sequence, digest=last.digest)

    @explained()
    def last_audit_line(self) -> bytes | None:
        """The newest record of the audit record, if there is one."""
        query = sa.select(AUDIT.c.line).order_by(AUDIT.c.sequence.desc()).limit(1)
        line: bytes | None = self._connection.scalar(query)
        return line

    def _rows(self, query: sa.Select[Any]) -> Iterator[sa.Row[Any]]:
        with explained():
            yield from self._connection.execute(query, execution_options={"yield_per": _ROWS})

    def _policies_without_history(self) -> Iterator[str]:
        same = sa.and_(
            POLICY_CHANGES.c.instance == POLICIES.c.instance,
            POLICY_CHANGES.c.attestation_type == POLICIES.c.attestation_type,
            POLICY_CHANGES.c.version == POLICIES.c.version,
            POLICY_CHANGES.c.text_hash.is_not_distinct_from(POLICIES.c.text_hash),
            # What asked for a reset is in the history alone.
            sa.or_(POLICIES.c.jws.is_(None), POLICIES.c.jws == POLICY_CHANGES.c.jws),
            POLICIES.c.jws.is_(None) == POLICIES.c.text_hash.is_(None),
        )
        query = POLICIES.select().where(~sa.exists().where(same))
        for row in self._connection.execute(query):
            yield (
                f"policy {row.attestation_type} of instance {row.instance!r} is not what its "
                f"history has as version {row.version}"
            )

    def _histories_without_policy(self) -> Iterator[str]:
        changes = (
            sa.select(
                POLICY_CHANGES.c.instance,
                POLICY_CHANGES.c.attestation_type,
                sa.func.max(POLICY_CHANGES.c.version).label("last"),
                sa.func.min(POLICY_CHANGES.c.version).label("first"),
                sa.func.count().label("number"),
            )
            .group_by(POLICY_CHANGES.c.instance, POLICY_CHANGES.c.attestation_type)
            .subquery()
        )
        same = sa.and_(
            POLICIES.c.instance == changes.c.instance,
            POLICIES.c.attestation_type == changes.c.attestation_type,
            POLICIES.c.version == changes.c.last,
        )
        broken = sa.or_(
            changes.c.number != changes.c.last - changes.c.first + 1, ~sa.exists().where(same)
        )
        for row in self._connection.execute(sa.select(changes).where(broken)):
            yield (
                f"the history of policy {row.attestation_type} of instance {row.instance!r} does "
                "not lead without a gap to the present policy"
            )

    def _unnumbered(self) -> Iterator[str]:
        numbers = self._connection.scalars(sa.select(REVISION.c.value)).all()
        if len(numbers) != 1:
            yield f"there are {len(numbers)} numbers of the last change, and there has to be one"
            return
        later = sa.select(INSTANCES.c.name).where(INSTANCES.c.revision > numbers[0])
        for name in self._connection.scalars(later):
            yield f"instance {name!r} was changed under a number that is still to come"

    def _signers_of_the_wrong_kind(self) -> Iterator[str]:
        signed = sa.exists().where(POLICY_SIGNERS.c.instance == INSTANCES.c.name)
        isolated = INSTANCES.c.trust_model == TrustModel.ISOLATED.value
        wrong = sa.or_(sa.and_(isolated, ~signed), sa.and_(~isolated, signed))
        for row in self._connection.execute(INSTANCES.select().where(wrong)):
            yield (
                f"instance {row.name!r} of trust model {row.trust_model} has "
                f"{'no ' if row.trust_model == TrustModel.ISOLATED else ''}policy signers"
            )
