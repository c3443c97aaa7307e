"""Let entities be named by texts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NUMBERS = 1
_ABOUT = {
    1: (
        "SELECT 1 FROM attribute_fact WHERE kind = 1",
        "SELECT 1 FROM event_fact",
        "SELECT 1 FROM logged_page",
        "SELECT 1 FROM feature_fact JOIN feature_group USING (group_id) WHERE entity_kind = 1",
    ),
    2: (
        "SELECT 1 FROM attribute_fact WHERE kind = 2",
        "SELECT 1 FROM event_fact",
        "SELECT 1 FROM availability_fact",
        "SELECT 1 FROM feature_fact JOIN feature_group USING (group_id) WHERE entity_kind = 2",
    ),
}


def upgrade() -> None:
    """Create the dictionary; entities that a store has already are named by numbers."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "id_form",
        sa.Column("kind", sa.SmallInteger, nullable=False, autoincrement=False),
        sa.Column("form", sa.SmallInteger, nullable=False),
        sa.Column("tx_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_id_form")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "external_id",
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("entity_id", sa.BigInteger, nullable=False),
        sa.Column("external_id", text, nullable=False),
        sa.Column("tx_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", "entity_id", name=op.f("pk_external_id")),
        sqlite_with_rowid=False,
    )
    for kind, questions in _ABOUT.items():
        anything = " OR ".join(f"EXISTS ({question})" for question in questions)
        op.execute(f"INSERT INTO id_form SELECT {kind}, {_NUMBERS}, 1 WHERE {anything}")


def downgrade() -> None:
    """Drop the dictionary: what was named by texts keeps its numbers."""
    op.drop_table("external_id")
    op.drop_table("id_form")
