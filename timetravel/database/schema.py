"""The tables of the store: one definition for SQLite and PostgreSQL.

Every fact table is append-only. Its primary key begins with what the fact is about and ends
with `known_at, tx_id`, so that the versions of one key lie side by side. Moments are int64
microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from core.moments import to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect


class Micros(TypeDecorator[int]):
    """A moment: takes int64 microseconds or an aware datetime, gives back the int."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | datetime | None, dialect: Dialect) -> int | None:
        """Return microseconds.

        Raises:
            InvalidInput: The datetime has no time zone.
        """
        del dialect
        return to_micros(value) if isinstance(value, datetime) else value


def _text() -> sa.types.TypeEngine[str]:
    # Text order must be code point order on every database, whatever its locale.
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _required(name: str, kind: sa.types.TypeEngine[Any] | type[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False)


def _table(
    name: str,
    *columns: sa.Column[Any],
    key: Sequence[str],
    constraints: Sequence[sa.schema.SchemaItem] = (),
    with_rowid: bool = False,
) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        *columns,
        sa.PrimaryKeyConstraint(*key),
        *constraints,
        sqlite_with_rowid=with_rowid,
    )


def _known_ops() -> sa.CheckConstraint:
    return sa.CheckConstraint("op IN (0, 1, 2)", name="op")


ingest_transaction = _table(
    "ingest_transaction",
    sa.Column("tx_id", sa.BigInteger, nullable=False, autoincrement=False),
    _required("committed_at", Micros()),
    _required("source", sa.Text),
    _required("synthetic", sa.Boolean),
    _required("digest", sa.Text),
    key=["tx_id"],
)
"""One append: who gave the facts, and whether a seeded rule made them up.

digest: see `timetravel.writing.digest`."""

ingest_chunk = _table(
    "ingest_chunk",
    _required("stream", _text()),
    sa.Column("sequence", sa.BigInteger, nullable=False, autoincrement=False),
    _required("digest", sa.Text),
    _required("tx_id", sa.BigInteger),
    _required("records", sa.BigInteger),
    _required("bookmark", sa.Text),
    key=["stream", "sequence"],
)
"""Every chunk that an ingest stream brought, so that none is taken twice.

digest: of what the chunk held; bookmark: the sender's own note of where to go on."""

feature_group = _table(
    "feature_group",
    sa.Column("group_id", sa.BigInteger, nullable=False, autoincrement=False),
    _required("schema_version", sa.Integer),
    _required("name", _text()),
    _required("entity_kind", sa.SmallInteger),
    _required("fields", sa.Text),
    _required("tx_id", sa.BigInteger),
    key=["group_id", "schema_version"],
    constraints=[sa.UniqueConstraint("name", "schema_version")],
)
"""The registry; fields is a JSON list. A later schema version keeps the group_id."""

entity = _table(
    "entity",
    _required("kind", sa.SmallInteger),
    _required("entity_id", sa.BigInteger),
    _required("tx_id", sa.BigInteger),
    key=["kind", "entity_id"],
)
"""Every entity that has an attribute fact, with the first transaction that brought one."""

id_form = _table(
    "id_form",
    sa.Column("kind", sa.SmallInteger, nullable=False, autoincrement=False),
    _required("form", sa.SmallInteger),
    _required("tx_id", sa.BigInteger),
    key=["kind"],
)
"""How entities of a kind are named, as its first fact decided; numbers as in
`timetravel.facts.external_ids.IdForm`."""

external_id = _table(
    "external_id",
    _required("kind", sa.SmallInteger),
    _required("entity_id", sa.BigInteger),
    _required("external_id", _text()),
    _required("tx_id", sa.BigInteger),
    key=["kind", "entity_id"],
)
"""The texts of entities that are named by texts; the number is the hash of the text."""

feature_fact = _table(
    "feature_fact",
    _required("group_id", sa.BigInteger),
    _required("entity_id", sa.BigInteger),
    _required("valid_from", Micros()),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    _required("op", sa.SmallInteger),
    _required("schema_version", sa.Integer),
    sa.Column("vector", sa.LargeBinary),
    key=["group_id", "entity_id", "valid_from", "known_at", "tx_id"],
    constraints=[_known_ops()],
)
"""vector: little-endian float32 in the order of the schema version's fields."""

attribute_fact = _table(
    "attribute_fact",
    _required("kind", sa.SmallInteger),
    _required("entity_id", sa.BigInteger),
    _required("name", _text()),
    _required("valid_from", Micros()),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    _required("op", sa.SmallInteger),
    sa.Column("value", sa.Text),
    key=["kind", "entity_id", "name", "valid_from", "known_at", "tx_id"],
    constraints=[_known_ops()],
)
"""value: canonical JSON. Allocations are here too: see `timetravel.reading.allocations`."""

document_fact = _table(
    "document_fact",
    _required("collection", _text()),
    _required("name", _text()),
    _required("valid_from", Micros()),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    _required("op", sa.SmallInteger),
    _required("schema_version", sa.Integer),
    sa.Column("body", sa.Text),
    key=["collection", "name", "valid_from", "known_at", "tx_id"],
    constraints=[_known_ops()],
    with_rowid=True,
)
"""body: canonical JSON."""

event_fact = _table(
    "event_fact",
    _required("profile_id", sa.BigInteger),
    _required("event_at", Micros()),
    _required("event_id", _text()),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    _required("op", sa.SmallInteger),
    _required("video_id", sa.BigInteger),
    _required("kind", sa.SmallInteger),
    sa.Column("value", sa.Double),
    sa.Column("attribution", sa.Text),
    key=["profile_id", "event_at", "event_id", "known_at", "tx_id"],
    constraints=[_known_ops(), sa.Index(None, "event_id", "known_at", "tx_id")],
)
"""A correction may move an event in time, so versions are found by event_id.

attribution: canonical JSON of `timetravel.facts.model.Attribution`, or null."""

availability_fact = _table(
    "availability_fact",
    _required("window_id", _text()),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    _required("op", sa.SmallInteger),
    _required("video_id", sa.BigInteger),
    _required("country", _text()),
    _required("valid_from", Micros()),
    _required("valid_to", Micros()),
    key=["window_id", "known_at", "tx_id"],
    constraints=[_known_ops()],
)
"""A licence during [valid_from, valid_to)."""

logged_page = _table(
    "logged_page",
    _required("shown_at", Micros()),
    _required("profile_id", sa.BigInteger),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    sa.Column("op", sa.SmallInteger, nullable=False, server_default="0"),
    _required("device", sa.Text),
    _required("context", sa.Text),
    _required("page", sa.LargeBinary),
    _required("page_digest", sa.Text),
    key=["shown_at", "profile_id", "known_at", "tx_id"],
    constraints=[_known_ops(), sa.Index(None, "profile_id", "shown_at")],
    with_rowid=True,
)
"""context: canonical JSON; page: canonical bytes of pagesim.page.v1.Page. Where op is not
assert, all of it is empty."""

logged_feature = _table(
    "logged_feature",
    _required("shown_at", Micros()),
    _required("profile_id", sa.BigInteger),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    _required("feature_group", _text()),
    _required("entities", sa.Integer),
    _required("columns", sa.LargeBinary),
    key=["shown_at", "profile_id", "known_at", "tx_id", "feature_group"],
    with_rowid=True,
)
"""columns: see `timetravel.facts.logged_features`."""

change_instant = _table(
    "change_instant",
    _required("subject", _text()),
    _required("instant", Micros()),
    _required("valid_edge", Micros()),
    _required("known_at", Micros()),
    _required("tx_id", sa.BigInteger),
    key=["subject", "instant", "valid_edge", "known_at"],
)
"""When an answer about the whole catalogue may change; see `timetravel.queries.changes`."""

progress_cursor = _table(
    "progress_cursor",
    _required("name", _text()),
    _required("value", sa.Text),
    key=["name"],
)
"""How far a job has come, saved together with what it appended."""

upkeep = _table(
    "upkeep",
    sa.Column("upkeep_id", sa.BigInteger, nullable=False, autoincrement=False),
    _required("kind", _text()),
    _required("began_at", Micros()),
    sa.Column("ended_at", Micros()),
    _required("reason", sa.Text),
    sa.Column("cutoff", Micros()),
    sa.Column("snapshot", sa.BigInteger),
    _required("removed", sa.Text),
    key=["upkeep_id"],
)
"""What was done to the store as a whole; see `timetravel.upkeep.upkeep`.

removed: rows taken out by table, as JSON."""

erased_profile = _table(
    "erased_profile",
    sa.Column("profile_id", sa.BigInteger, nullable=False, autoincrement=False),
    _required("upkeep_id", sa.BigInteger),
    key=["profile_id"],
)
"""Profiles of which nothing may come back, with the erasure that took them out."""

copy_place = _table(
    "copy_place",
    _required("host", _text()),
    _required("path", _text()),
    _required("kind", _text()),
    sa.Column("snapshot", sa.BigInteger),
    _required("upkeep_id", sa.BigInteger),
    key=["host", "path"],
)
"""Folders that hold facts copied from the store; see `timetravel.upkeep.copies`.

snapshot: what a run pins; upkeep_id: the newest that has been carried out there."""
