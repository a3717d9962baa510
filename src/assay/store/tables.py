"""The tables as the code reads and writes them. The migrations make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


@final
class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant, kept and returned in UTC whatever the database does with time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # SQLAlchemy's signature
        """The instant in UTC.

        Raises:
            ValueError: It has no time zone, which is a mistake of the calling code.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the store keeps instants with a time zone only")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ANN401, ARG002  # ditto
        """The instant in UTC; SQLite returns it without a time zone."""
        if value is None:
            return None
        instant: datetime = value
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

INSTANCES: Final = sa.Table(
    "instances",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("issuer", sa.String(2048), nullable=False, unique=True),
    sa.Column("trust_model", sa.String(16), nullable=False),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # Null only because columns that are added cannot be otherwise everywhere.
    sa.Column("region", sa.String(64), nullable=True),
    sa.Column("tags", sa.JSON, nullable=True),
    sa.Column("updated_at", UtcDateTime, nullable=True),
    sa.Column("revision", sa.BigInteger, nullable=False, server_default="0"),
)

REVISION: Final = sa.Table(
    "revision",
    METADATA,
    sa.Column("value", sa.BigInteger, primary_key=True, autoincrement=False),
)
"""One row: the number of the last change. Whoever changes something locks it first."""

SIGNING_KEYS: Final = sa.Table(
    "signing_keys",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("kid", sa.String(64), primary_key=True),
    sa.Column("algorithm", sa.String(16), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("activated_at", UtcDateTime, nullable=True),
    sa.Column("retired_at", UtcDateTime, nullable=True),
    sa.Column("custody", sa.String(16), nullable=False, server_default="software"),
    sa.Column("certificates", sa.JSON(none_as_null=True), nullable=True),
)

ONE_ACTIVE_KEY: Final = sa.Index(
    "ix_signing_keys_one_active",
    SIGNING_KEYS.c.instance,
    unique=True,
    sqlite_where=SIGNING_KEYS.c.state == "active",
    postgresql_where=SIGNING_KEYS.c.state == "active",
)
"""The database itself sees to it that workers who start at once agree on one key."""

POLICIES: Final = sa.Table(
    "policies",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("attestation_type", sa.String(64), primary_key=True),
    sa.Column("jws", sa.LargeBinary, nullable=True),
    sa.Column("text_hash", sa.String(64), nullable=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

POLICY_CHANGES: Final = sa.Table(
    "policy_changes",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("attestation_type", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("jws", sa.LargeBinary, nullable=True),
    sa.Column("text_hash", sa.String(64), nullable=True),
    sa.Column("previous_hash", sa.String(64), nullable=True),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("changed_by", sa.String(2048), nullable=False),
    sa.Column("changed_from", sa.String(64), nullable=False),
)

POLICY_SIGNERS: Final = sa.Table(
    "policy_signers",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sa.Column("added_by", sa.String(2048), nullable=False),
    sa.Column("added_from", sa.String(64), nullable=False),
)

PROVIDERS: Final = sa.Table(
    "providers",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("subscription", sa.String(36), nullable=True),
    sa.Column("resource_group", sa.String(90), nullable=True),
    sa.Column("properties", sa.JSON, nullable=False),
    sa.Column("created_by", sa.String(256), nullable=True),
    sa.Column("created_by_kind", sa.String(16), nullable=True),
    sa.Column("updated_by", sa.String(256), nullable=True),
    sa.Column("updated_by_kind", sa.String(16), nullable=True),
)
"""What the management plane knows of instances, and the instances do not."""

PRIVATE_ENDPOINTS: Final = sa.Table(
    "private_endpoints",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("endpoint", sa.String(2048), nullable=False),
    sa.Column("description", sa.String(1024), nullable=False),
    sa.Column("actions_required", sa.String(1024), nullable=False),
)

API_TOKENS: Final = sa.Table(
    "api_tokens",
    METADATA,
    sa.Column("token_id", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(256), nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("grants", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

AUDIT: Final = sa.Table(
    "audit",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("line", sa.LargeBinary, nullable=False),
)
"""The records as they are exported, byte for byte. Nothing refers to what they are about: they
stay when that goes."""

COLLATERAL: Final = sa.Table(
    "collateral",
    METADATA,
    sa.Column("key", sa.String(1024), primary_key=True),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("fetched_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

CONTEXT_KEYS: Final = sa.Table(
    "context_keys",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

AIK_AUTHORITIES: Final = sa.Table(
    "aik_authorities",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

ENDORSEMENT_KEYS: Final = sa.Table(
    "endorsement_keys",
    METADATA,
    sa.Column(
        "instance",
        sa.String(255),
        sa.ForeignKey("instances.name", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("name", sa.String(132), primary_key=True),
    sa.Column("label", sa.String(256), nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
)
