"""Create the store."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _integers(*names: str) -> list[sa.Column[int]]:
    return [
        sa.Column(name, sa.BigInteger, autoincrement=False, nullable=False) for name in names
    ]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, _text(), nullable=False) for name in names]


def _column(
    name: str, kind: type[sa.types.TypeEngine[Any]], *, nullable: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable)


def _known_ops(table: str) -> sa.CheckConstraint:
    return sa.CheckConstraint("op IN (0, 1, 2)", name=op.f(f"ck_{table}_op"))


def upgrade() -> None:
    """Create the tables of the store."""
    op.create_table(
        "ingest_transaction",
        *_integers("tx_id", "committed_at"),
        _column("source", sa.Text),
        _column("synthetic", sa.Boolean),
        _column("digest", sa.Text),
        sa.PrimaryKeyConstraint("tx_id", name="pk_ingest_transaction"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feature_group",
        *_integers("group_id"),
        _column("schema_version", sa.Integer),
        *_texts("name"),
        _column("entity_kind", sa.SmallInteger),
        _column("fields", sa.Text),
        *_integers("tx_id"),
        sa.PrimaryKeyConstraint("group_id", "schema_version", name="pk_feature_group"),
        sa.UniqueConstraint(
            "name", "schema_version", name="uq_feature_group_name_schema_version"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "entity",
        _column("kind", sa.SmallInteger),
        *_integers("entity_id", "tx_id"),
        sa.PrimaryKeyConstraint("kind", "entity_id", name="pk_entity"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feature_fact",
        *_integers("group_id", "entity_id", "valid_from", "known_at", "tx_id"),
        _column("op", sa.SmallInteger),
        _column("schema_version", sa.Integer),
        _column("vector", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint(
            "group_id", "entity_id", "valid_from", "known_at", "tx_id", name="pk_feature_fact"
        ),
        _known_ops("feature_fact"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "attribute_fact",
        _column("kind", sa.SmallInteger),
        *_integers("entity_id"),
        *_texts("name"),
        *_integers("valid_from", "known_at", "tx_id"),
        _column("op", sa.SmallInteger),
        _column("value", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint(
            "kind",
            "entity_id",
            "name",
            "valid_from",
            "known_at",
            "tx_id",
            name="pk_attribute_fact",
        ),
        _known_ops("attribute_fact"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "document_fact",
        *_texts("collection", "name"),
        *_integers("valid_from", "known_at", "tx_id"),
        _column("op", sa.SmallInteger),
        _column("schema_version", sa.Integer),
        _column("body", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint(
            "collection", "name", "valid_from", "known_at", "tx_id", name="pk_document_fact"
        ),
        _known_ops("document_fact"),
    )
    op.create_table(
        "event_fact",
        *_integers("profile_id", "event_at"),
        *_texts("event_id"),
        *_integers("known_at", "tx_id"),
        _column("op", sa.SmallInteger),
        *_integers("video_id"),
        _column("kind", sa.SmallInteger),
        _column("value", sa.Double, nullable=True),
        sa.PrimaryKeyConstraint(
            "profile_id", "event_at", "event_id", "known_at", "tx_id", name="pk_event_fact"
        ),
        _known_ops("event_fact"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_event_fact_event_id_known_at_tx_id",
        "event_fact",
        ["event_id", "known_at", "tx_id"],
    )
    op.create_table(
        "availability_fact",
        *_texts("window_id"),
        *_integers("known_at", "tx_id"),
        _column("op", sa.SmallInteger),
        *_integers("video_id"),
        *_texts("country"),
        *_integers("valid_from", "valid_to"),
        sa.PrimaryKeyConstraint("window_id", "known_at", "tx_id", name="pk_availability_fact"),
        _known_ops("availability_fact"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "logged_page",
        *_integers("shown_at", "profile_id", "known_at", "tx_id"),
        _column("device", sa.Text),
        _column("context", sa.Text),
        _column("page", sa.LargeBinary),
        _column("page_digest", sa.Text),
        sa.PrimaryKeyConstraint(
            "shown_at", "profile_id", "known_at", "tx_id", name="pk_logged_page"
        ),
    )
    op.create_index(
        "ix_logged_page_profile_id_shown_at", "logged_page", ["profile_id", "shown_at"]
    )
    op.create_table(
        "logged_feature",
        *_integers("shown_at", "profile_id", "known_at", "tx_id"),
        *_texts("feature_group"),
        _column("entities", sa.Integer),
        _column("columns", sa.LargeBinary),
        sa.PrimaryKeyConstraint(
            "shown_at",
            "profile_id",
            "known_at",
            "tx_id",
            "feature_group",
            name="pk_logged_feature",
        ),
    )
    op.create_table(
        "change_instant",
        *_texts("subject"),
        *_integers("instant", "valid_edge", "known_at", "tx_id"),
        sa.PrimaryKeyConstraint(
            "subject", "instant", "valid_edge", "known_at", name="pk_change_instant"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "progress_cursor",
        *_texts("name"),
        _column("value", sa.Text),
        sa.PrimaryKeyConstraint("name", name="pk_progress_cursor"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop all tables, with everything in them."""
    for table in (
        "progress_cursor",
        "change_instant",
        "logged_feature",
        "logged_page",
        "availability_fact",
        "event_fact",
        "document_fact",
        "attribute_fact",
        "feature_fact",
        "entity",
        "feature_group",
        "ingest_transaction",
    ):
        op.drop_table(table)
