"""Run by Alembic for each command: the connection is handed in, so that no URL is read here, and the caller keeps the lock."""

from __future__ import annotations

from alembic import context

from cdshooks.store.tables import METADATA

# Batches: SQLite can alter a table only by copying it.
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
