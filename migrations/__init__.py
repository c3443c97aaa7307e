"""The revisions of the store's schema, as Alembic scripts for SQLite and PostgreSQL."""
