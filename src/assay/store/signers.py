"""Policy signer certificates in the store. Every method is one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, final

import sqlalchemy as sa

from assay.errors import OperationRefusedError, UntrustedSignerError
from assay.store.changes import Change, changing
from assay.store.engine import reading
from assay.store.records import Author, SignerRecord
from assay.store.tables import POLICY_SIGNERS


@final
class SignerTable:
    """Signers by instance. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, instance: str) -> tuple[SignerRecord, ...]:
        """The instance's signers, the oldest first."""
        query = (
            POLICY_SIGNERS.select()
            .where(POLICY_SIGNERS.c.instance == instance)
            .order_by(POLICY_SIGNERS.c.position)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(_signer(row) for row in rows)

    def add(self, record: SignerRecord, *, under: str) -> None:
        """Let the certificate sign, too. Nothing changes where it may already.

        Args:
            record: The certificate.
            under: The fingerprint of the signer that allows it.

        Raises:
            UnknownInstanceError: There is no such instance.
            UntrustedSignerError: The signer that allows it is no longer one.
        """
        with changing(self._engine) as change:
            change.touch(record.instance)
            check_signer(change, record.instance, under)
            if _is_signer(change, record.instance, record.fingerprint):
                return
            newest = sa.select(sa.func.max(POLICY_SIGNERS.c.position)).where(
                POLICY_SIGNERS.c.instance == record.instance
            )
            position = change.connection.execute(newest).scalar_one() + 1
            change.connection.execute(
                POLICY_SIGNERS.insert().values(position=position, **signer_values(record))
            )
            change.record(
                "signer.add",
                at=record.added_at,
                by=record.added_by,
                instance=record.instance,
                target=record.fingerprint,
                signer=under,
            )

    def remove(
        self, instance: str, fingerprint: str, *, under: str, at: datetime, by: Author
    ) -> None:
        """Let the certificate sign no more. Nothing changes where it may not.

        Args:
            instance: The instance's name.
            fingerprint: The certificate's.
            under: The fingerprint of the signer that allows it.
            at: The instant of the change.
            by: Who makes it.

        Raises:
            UnknownInstanceError: There is no such instance.
            UntrustedSignerError: The signer that allows it is no longer one.
            OperationRefusedError: It is the last one.
        """
        with changing(self._engine) as change:
            change.touch(instance)
            check_signer(change, instance, under)
            if not _is_signer(change, instance, fingerprint):
                return
            change.connection.execute(
                POLICY_SIGNERS.delete().where(
                    POLICY_SIGNERS.c.instance == instance,
                    POLICY_SIGNERS.c.fingerprint == fingerprint,
                )
            )
            left = sa.select(sa.func.count()).where(POLICY_SIGNERS.c.instance == instance)
            if not change.connection.execute(left).scalar_one():
                raise OperationRefusedError(
                    f"instance {instance!r} needs at least one policy signer, and this is the "
                    "last; add its successor first"
                )
            change.record(
                "signer.remove",
                at=at,
                by=by,
                instance=instance,
                target=fingerprint,
                signer=under,
            )


def check_signer(change: Change, instance: str, fingerprint: str) -> None:
    """Check, inside a change, that a signer still is one.

    Raises:
        UntrustedSignerError: It was removed since its signature was verified.
    """
    if not _is_signer(change, instance, fingerprint):
        raise UntrustedSignerError(
            f"the signer {fingerprint} of instance {instance!r} was removed at this moment; sign "
            "with one that is listed"
        )


def signer_values(record: SignerRecord) -> dict[str, Any]:
    """A signer's columns, but for its position."""
    return {
        "instance": record.instance,
        "fingerprint": record.fingerprint,
        "certificate": record.certificate,
        "added_at": record.added_at,
        "added_by": str(record.added_by),
        "added_from": record.added_by.address,
    }


def _is_signer(change: Change, instance: str, fingerprint: str) -> bool:
    query = sa.select(POLICY_SIGNERS.c.position).where(
        POLICY_SIGNERS.c.instance == instance, POLICY_SIGNERS.c.fingerprint == fingerprint
    )
    return change.connection.execute(query).first() is not None


def _signer(row: sa.Row[Any]) -> SignerRecord:
    return SignerRecord(
        instance=row.instance,
        fingerprint=row.fingerprint,
        certificate=row.certificate,
        added_at=row.added_at,
        added_by=Author(name=row.added_by, address=row.added_from),
    )
