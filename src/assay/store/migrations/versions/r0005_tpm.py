"""What TPM attestation keeps: context keys, authorities for attestation keys, endorsement keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "context_keys",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_context_keys"),
    )
    op.create_table(
        "aik_authorities",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("instance", name="pk_aik_authorities"),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_aik_authorities_instance_instances",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "endorsement_keys",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("name", sa.String(132), nullable=False),
        sa.Column("label", sa.String(256), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("instance", "name", name="pk_endorsement_keys"),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_endorsement_keys_instance_instances",
            ondelete="CASCADE",
        ),
    )
