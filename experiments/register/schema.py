"""The tables of the register. Moments are microseconds since 1970."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

experiment: Final = sa.Table(
    "experiment",
    metadata,
    sa.Column("experiment_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("submitted_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("told", sa.Text, nullable=False),
)
"""One record per experiment: `document` is its file, `reason` says why it failed, and `told` is
the state that its owners were told of last."""

step: Final = sa.Table(
    "step",
    metadata,
    sa.Column("experiment_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("began_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
    sa.Column("error", sa.Text),
)
"""One record per attempt at a step of an experiment; `error` is null where it did its work."""

leadership: Final = sa.Table(
    "leadership",
    metadata,
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
)
"""Who holds what only one process may do, and until when."""

process: Final = sa.Table(
    "process",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("doing", sa.Text, nullable=False),
    sa.Column("began_at", sa.BigInteger, nullable=False),
    sa.Column("heard_at", sa.BigInteger, nullable=False),
)
"""One record per process of a server that was heard of."""
