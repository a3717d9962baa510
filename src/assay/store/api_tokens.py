"""API tokens in the store. Every method is one transaction.

Nothing keeps them in memory: a token is looked up with each request that brings one, so that one
which is taken away ends everywhere at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, final

import sqlalchemy as sa

from assay.access import ApiToken, Grants
from assay.store.changes import changing
from assay.store.engine import reading
from assay.store.records import Author
from assay.store.tables import API_TOKENS


@final
class ApiTokenTable:
    """Tokens by identifier. Methods raise `StoreUnavailableError` when the database fails."""

    __slots__ = ("_engine",)

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, token_id: str) -> ApiToken | None:
        """The token, ended or not; nothing if there is none or it was taken away."""
        query = API_TOKENS.select().where(API_TOKENS.c.token_id == token_id)
        with reading(self._engine) as connection:
            row = connection.execute(query).first()
        return None if row is None else _token(row)

    def all(self) -> tuple[ApiToken, ...]:
        """Every token, the oldest first, those that have ended among them."""
        query = API_TOKENS.select().order_by(API_TOKENS.c.created_at, API_TOKENS.c.token_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return tuple(_token(row) for row in rows)

    def add(self, token: ApiToken, *, by: Author) -> None:
        """Keep a new token."""
        values = {
            "token_id": token.token_id,
            "name": token.name,
            "digest": token.digest,
            "grants": list(token.grants.texts),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
        }
        with changing(self._engine) as change:
            change.connection.execute(API_TOKENS.insert().values(**values))
            change.record(
                "token.create",
                at=token.created_at,
                by=by,
                target=token.token_id,
                name=token.name,
                grants=" ".join(token.grants.texts),
            )

    def remove(self, token_id: str, *, at: datetime, by: Author) -> bool:
        """Take a token away; whether there was one."""
        with changing(self._engine) as change:
            removed = change.connection.execute(
                API_TOKENS.delete().where(API_TOKENS.c.token_id == token_id)
            )
            if removed.rowcount:
                change.record("token.revoke", at=at, by=by, target=token_id)
        return bool(removed.rowcount)

    def any_valid(self, *, at: datetime) -> bool:
        """Whether there is a token that has not ended at an instant."""
        query = sa.select(sa.exists().where(API_TOKENS.c.expires_at > at))
        with reading(self._engine) as connection:
            return bool(connection.execute(query).scalar_one())


def _token(row: sa.Row[Any]) -> ApiToken:
    return ApiToken(
        token_id=row.token_id,
        name=row.name,
        digest=row.digest,
        grants=Grants.parse(row.grants),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
