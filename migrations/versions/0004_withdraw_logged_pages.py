"""Let logged pages be withdrawn, and events say where on a page they happened."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was logged before was asserted, and not attributed."""
    sqlite = op.get_context().dialect.name == "sqlite"
    # SQLite copies the table, so that the column comes before the page: to read one behind it,
    # the whole page would be read.
    with op.batch_alter_table("logged_page", recreate="always" if sqlite else "never") as table:
        table.add_column(
            sa.Column("op", sa.SmallInteger, nullable=False, server_default="0"),
            insert_after="tx_id" if sqlite else None,
        )
        table.create_check_constraint(op.f("ck_logged_page_op"), "op IN (0, 1, 2)")
    op.add_column("event_fact", sa.Column("attribution", sa.Text))


def downgrade() -> None:
    """Drop the columns, and what was withdrawn, which nothing would hide any more."""
    for name in ("logged_feature", "logged_page"):
        op.execute(
            f"DELETE FROM {name} WHERE EXISTS (SELECT 1 FROM logged_page AS withdrawn "  # noqa: S608 - our own tables
            f"WHERE withdrawn.op <> 0 AND withdrawn.shown_at = {name}.shown_at "
            f"AND withdrawn.profile_id = {name}.profile_id AND (withdrawn.known_at, "
            f"withdrawn.tx_id) >= ({name}.known_at, {name}.tx_id))"
        )
    with op.batch_alter_table("logged_page") as table:
        table.drop_constraint(op.f("ck_logged_page_op"), type_="check")
        table.drop_column("op")
    op.drop_column("event_fact", "attribution")
