"""What owners administer: labels, signers, histories; API tokens, and the audit record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Columns are added rather than tables made anew: on SQLite, dropping the table of instances would
# take every key and policy along.


def upgrade() -> None:
    """Add columns and tables, and begin the history with the policies that there are."""
    for column in (
        sa.Column("region", sa.String(64), nullable=True),
        sa.Column("tags", sa.JSON, nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("instances", column)
    op.execute("UPDATE instances SET region = '', tags = '{}'")
    op.create_table(
        "revision",
        sa.Column("value", sa.BigInteger, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("value", name="pk_revision"),
    )
    op.execute("INSERT INTO revision (value) VALUES (0)")
    _create_policy_changes()
    _create_policy_signers()
    _create_api_tokens()
    _create_audit()


def _create_policy_changes() -> None:
    op.create_table(
        "policy_changes",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("attestation_type", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("jws", sa.LargeBinary, nullable=True),
        sa.Column("text_hash", sa.String(64), nullable=True),
        sa.Column("previous_hash", sa.String(64), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(2048), nullable=False),
        sa.Column("changed_from", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint(
            "instance", "attestation_type", "version", name="pk_policy_changes"
        ),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_policy_changes_instance_instances",
            ondelete="CASCADE",
        ),
    )
    op.execute(
        "INSERT INTO policy_changes (instance, attestation_type, version, action, jws, text_hash, "
        "changed_at, changed_by, changed_from) "
        "SELECT instance, attestation_type, version, "
        "CASE WHEN jws IS NULL THEN 'reset' ELSE 'set' END, jws, text_hash, changed_at, '', '' "
        "FROM policies"
    )


def _create_policy_signers() -> None:
    op.create_table(
        "policy_signers",
        sa.Column("instance", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(2048), nullable=False),
        sa.Column("added_from", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("instance", "fingerprint", name="pk_policy_signers"),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instances.name"],
            name="fk_policy_signers_instance_instances",
            ondelete="CASCADE",
        ),
    )


def _create_api_tokens() -> None:
    op.create_table(
        "api_tokens",
        sa.Column("token_id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("grants", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_id", name="pk_api_tokens"),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
    )
