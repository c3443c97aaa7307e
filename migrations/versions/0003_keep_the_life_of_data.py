"""Keep what was taken out of the store, and where copies of it are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _integer(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, autoincrement=False, nullable=nullable)


def upgrade() -> None:
    """Create the tables of erasures and retention, of erased profiles, and of copies."""
    op.create_table(
        "upkeep",
        _integer("upkeep_id"),
        sa.Column("kind", _text(), nullable=False),
        _integer("began_at"),
        _integer("ended_at", nullable=True),
        sa.Column("reason", sa.Text, nullable=False),
        _integer("cutoff", nullable=True),
        _integer("snapshot", nullable=True),
        sa.Column("removed", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("upkeep_id", name="pk_upkeep"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erased_profile",
        _integer("profile_id"),
        _integer("upkeep_id"),
        sa.PrimaryKeyConstraint("profile_id", name="pk_erased_profile"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "copy_place",
        sa.Column("host", _text(), nullable=False),
        sa.Column("path", _text(), nullable=False),
        sa.Column("kind", _text(), nullable=False),
        _integer("snapshot", nullable=True),
        _integer("upkeep_id"),
        sa.PrimaryKeyConstraint("host", "path", name="pk_copy_place"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Forget what was taken out; it does not come back."""
    for table in ("copy_place", "erased_profile", "upkeep"):
        op.drop_table(table)
