"""The life of signing keys: when each began and ceased to sign, where it is kept, its chain."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns. What is retired already counts from now, since nobody wrote down since when."""
    for column in (
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("custody", sa.String(16), nullable=False, server_default="software"),
        sa.Column("certificates", sa.JSON, nullable=True),
    ):
        op.add_column("signing_keys", column)
    op.execute("UPDATE signing_keys SET activated_at = created_at WHERE state <> 'prepared'")
    op.execute("UPDATE signing_keys SET retired_at = CURRENT_TIMESTAMP WHERE state = 'retired'")
