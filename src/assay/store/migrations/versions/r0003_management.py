"""The management plane: where it has instances, who made them there, private endpoints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add two tables. Instances that are there have no row: they are where the settings say."""
    op.create_table(
        "providers",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("subscription", sa.String(36), nullable=True),
        sa.Column("resource_group", sa.String(90), nullable=True),
        sa.Column("properties", sa.JSON, nullable=False),
        sa.Column("created_by", sa.String(256), nullable=True),
        sa.Column("created_by_kind", sa.String(16), nullable=True),
        sa.Column("updated_by", sa.String(256), nullable=True),
        sa.Column("updated_by_kind", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("instance", name="pk_providers"),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_providers_instance_instances",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "private_endpoints",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("endpoint", sa.String(2048), nullable=False),
        sa.Column("description", sa.String(1024), nullable=False),
        sa.Column("actions_required", sa.String(1024), nullable=False),
        sa.PrimaryKeyConstraint("instance", "name", name="pk_private_endpoints"),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_private_endpoints_instance_instances",
            ondelete="CASCADE",
        ),
    )
