"""Where Alembic starts: runs the revisions on the connection that it is given.

`timetravel.database.migrate` gives `connection` and `target_metadata` as attributes of the
configuration and owns the transaction, so a failed upgrade leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from alembic import context

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


def _render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    # A revision must keep its meaning when our own types change.
    if kind == "type" and type(item).__name__ == "Micros":
        return "sa.BigInteger()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["target_metadata"],
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=_render_item,
)
with context.begin_transaction():
    context.run_migrations()
