"""The tables of the queue."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import sqlalchemy as sa


class ChunkState(StrEnum):
    """Say where a chunk is."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"


metadata: Final = sa.MetaData()

chunk: Final = sa.Table(
    "chunk",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("partition", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("available_at", sa.BigInteger, nullable=False),
    sa.Column("leased_until", sa.BigInteger),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.Text),
)
"""One record per chunk of a partition. Moments are microseconds since 1970. `token` counts its
leases, and `attempts` those since it was posted."""

attempt: Final = sa.Table(
    "attempt",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("partition", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("token", sa.Integer, primary_key=True),
    sa.Column("worker", sa.Text, nullable=False),
    sa.Column("began_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("error", sa.Text),
)
"""One record per lease of a chunk; `error` is null for one that goes on or made its pages."""
