"""What Alembic runs; the work is in `assay.store.schema`, which it can also be tested in."""

from __future__ import annotations

from alembic import context

from assay.store.schema import run_migrations

run_migrations(context)
