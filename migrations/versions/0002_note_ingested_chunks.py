"""Note ingested chunks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table of the chunks that ingest streams have brought."""
    op.create_table(
        "ingest_chunk",
        sa.Column("stream", _text(), nullable=False),
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("tx_id", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("bookmark", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("stream", "sequence", name="pk_ingest_chunk"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Forget which chunks came; their facts stay."""
    op.drop_table("ingest_chunk")
