"""Instances, their signing keys and policies, and the collateral cache."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out rather than taken from `tables`, which will move on. Going back is done from a backup.


def upgrade() -> None:
    """Make the tables of the first release."""
    op.create_table(
        "instances",
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("issuer", sa.String(2048), nullable=False),
        sa.Column("trust_model", sa.String(16), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_instances"),
        sa.UniqueConstraint("issuer", name="uq_instances_issuer"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("algorithm", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("instance", "kid", name="pk_signing_keys"),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_signing_keys_instance_instances",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_signing_keys_one_active",
        "signing_keys",
        ["instance"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "policies",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("attestation_type", sa.String(64), nullable=False),
        sa.Column("jws", sa.LargeBinary, nullable=True),
        sa.Column("text_hash", sa.String(64), nullable=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("instance", "attestation_type", name="pk_policies"),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_policies_instance_instances",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "collateral",
        sa.Column("key", sa.String(1024), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_collateral"),
    )
    op.create_index("ix_collateral_expires_at", "collateral", ["expires_at"])
