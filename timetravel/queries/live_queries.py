"""The live system's queries: the newest version of each key, whenever it became known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from timetravel.database.compiled_query import Question, joined_by_commas
from timetravel.database.engine import POSTGRESQL
from timetravel.database.schema import (
    attribute_fact,
    availability_fact,
    document_fact,
    entity,
    event_fact,
    feature_fact,
)
from timetravel.facts.model import EntityKind, Op

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.selectable import FromClause

_ONE_BY_ONE: Final[sa.ColumnElement[int]] = sa.literal_column("0")
"""As an offset, keeps PostgreSQL from joining all versions of an entity at once."""
_FEATURE_COLUMNS: Final = ("schema_version", "vector", "known_at", "valid_from")
_ATTRIBUTE_COLUMNS: Final = ("value", "known_at")
_DOCUMENT_COLUMNS: Final = ("op", "schema_version", "body", "known_at")


class CurrentQuestions:
    """The compiled statements for one database; build one per store."""

    def __init__(self, dialect: sa.Dialect) -> None:
        def compiled(statement: sa.Select[Any]) -> Question:
            return Question.compile(statement, dialect)

        video = {"kind": sa.literal(EntityKind.VIDEO.value)}
        self.dialect = dialect
        self.feature = compiled(
            _newest(feature_fact, ("group_id", "entity_id"), _FEATURE_COLUMNS)
        )
        self.attribute = compiled(
            _newest(attribute_fact, ("kind", "entity_id", "name"), _ATTRIBUTE_COLUMNS)
        )
        self.document = compiled(
            _newest(document_fact, ("collection", "name"), _DOCUMENT_COLUMNS)
        )
        self.events = compiled(_events())
        self.licences = compiled(_licences(dialect))
        self.listing = compiled(_listing())
        self.catalogue_features = compiled(
            _catalogue(
                feature_fact, {"group_id": _parameter("group_id")}, _FEATURE_COLUMNS, dialect
            )
        )
        self.catalogue_attribute = compiled(
            _catalogue(
                attribute_fact,
                {**video, "name": _parameter("name")},
                _ATTRIBUTE_COLUMNS,
                dialect,
            )
        )


def _parameter(name: str) -> sa.ColumnElement[Any]:
    text_names = {"name", "collection"}
    return sa.bindparam(name, type_=sa.Text if name in text_names else sa.BigInteger)


def _newest(facts: sa.Table, key: Sequence[str], columns: Sequence[str]) -> sa.Select[Any]:
    version = _newest_of(facts, {column: _parameter(column) for column in key})
    return version.with_only_columns(*(version.selected_columns[name] for name in columns))


def _newest_of(facts: sa.Table, key: Mapping[str, sa.ColumnElement[Any]]) -> sa.Select[Any]:
    """Select the latest version of a key that is neither retracted nor corrected."""
    version, correction = facts.alias("version"), facts.alias("correction")
    corrected = (
        sa.select(correction.c.tx_id)
        .where(
            *(correction.c[column] == version.c[column] for column in (*key, "valid_from")),
            sa.tuple_(correction.c.known_at, correction.c.tx_id)
            > sa.tuple_(version.c.known_at, version.c.tx_id),
        )
        .correlate(version)
        .offset(_ONE_BY_ONE)
    )
    return (
        sa.select(version)
        .where(
            *(version.c[column] == value for column, value in key.items()),
            version.c.valid_from <= _parameter("moment"),
            version.c.op != Op.RETRACT.value,
            ~corrected.exists(),
        )
        .order_by(version.c.valid_from.desc())
        .limit(1)
    )


def _listing() -> sa.Select[Any]:
    return (
        sa.select(entity.c.entity_id)
        .where(entity.c.kind == _parameter("kind"))
        .order_by(entity.c.entity_id)
    )


def _catalogue(
    facts: sa.Table,
    key: Mapping[str, sa.ColumnElement[Any]],
    columns: Sequence[str],
    dialect: sa.Dialect,
) -> sa.Select[Any]:
    """Select the newest version of every video in the listing, or nulls."""
    values = {**key, "entity_id": entity.c.entity_id}
    version = _newest_of(facts, values)
    if dialect.name == POSTGRESQL:
        joined: FromClause = version.lateral("newest")
        source = entity.outerjoin(joined, sa.true())
    else:
        joined = facts.alias("newest")
        place = ("valid_from", "known_at", "tx_id")
        found = version.with_only_columns(*(version.selected_columns[name] for name in place))
        source = entity.outerjoin(
            joined,
            sa.and_(
                *(joined.c[column] == value for column, value in values.items()),
                sa.tuple_(*(joined.c[name] for name in place))
                == found.scalar_subquery().correlate(entity),
            ),
        )
    return (
        sa.select(*(joined.c[name] for name in columns))
        .select_from(source)
        .where(entity.c.kind == EntityKind.VIDEO.value)
        .order_by(entity.c.entity_id)
    )


def _events() -> sa.Select[Any]:
    event, correction = event_fact.alias("event"), event_fact.alias("correction")
    corrected = (
        sa.select(correction.c.tx_id)
        .where(
            correction.c.event_id == event.c.event_id,
            sa.tuple_(correction.c.known_at, correction.c.tx_id)
            > sa.tuple_(event.c.known_at, event.c.tx_id),
        )
        .correlate(event)
        .offset(_ONE_BY_ONE)
    )
    names = ("video_id", "event_at", "kind", "value", "known_at")
    return (
        sa.select(*(event.c[name] for name in names))
        .where(
            event.c.profile_id == _parameter("profile_id"),
            event.c.event_at <= _parameter("moment"),
            event.c.op == Op.ASSERT.value,
            ~corrected.exists(),
        )
        .order_by(event.c.event_at.desc(), event.c.event_id.desc())
    )


def _licences(dialect: sa.Dialect) -> sa.Select[Any]:
    licence, correction = availability_fact.alias("licence"), availability_fact.alias("later")
    corrected = (
        sa.select(correction.c.tx_id)
        .where(
            correction.c.window_id == licence.c.window_id,
            sa.tuple_(correction.c.known_at, correction.c.tx_id)
            > sa.tuple_(licence.c.known_at, licence.c.tx_id),
        )
        .correlate(licence)
        .offset(_ONE_BY_ONE)
    )
    videos = joined_by_commas(licence.c.video_id, dialect)
    return (
        sa.select(licence.c.country, videos, sa.func.max(licence.c.known_at))
        .where(
            licence.c.valid_from <= _parameter("moment"),
            licence.c.valid_to > _parameter("moment"),
            licence.c.op == Op.ASSERT.value,
            ~corrected.exists(),
        )
        .group_by(licence.c.country)
    )
