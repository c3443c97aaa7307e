"""The as-of queries: the rule of `queries.visibility` for each kind of fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from timetravel.database.compiled_query import (
    Question,
    joined_by_commas,
    names_asked,
    rows_asked,
)
from timetravel.database.engine import POSTGRESQL
from timetravel.database.schema import (
    attribute_fact,
    availability_fact,
    document_fact,
    entity,
    event_fact,
    feature_fact,
    logged_page,
)
from timetravel.facts.model import EntityKind
from timetravel.queries.changes import ChangeQuestions
from timetravel.queries.logged_pages import PAGE_KEY
from timetravel.queries.visibility import (
    Bounds,
    is_after,
    is_asserted,
    is_in_snapshot,
    is_known,
    is_valid,
    join_visible,
    select_visible,
    speaks_for,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.selectable import FromClause


class AsOfQuestions:
    """The compiled statements for one database; build one per store."""

    def __init__(self, dialect: sa.Dialect) -> None:
        def compiled(statement: sa.Select[Any]) -> Question:
            return Question.compile(statement, dialect)

        self.dialect = dialect
        self.features = compiled(_features(dialect))
        self.attributes = compiled(_attributes(dialect))
        self.entity_attributes = compiled(_entity_attribute_names())
        self.history = compiled(_history(dialect))
        self.engagement = compiled(_history(dialect, "attribution"))
        self.pages_shown = compiled(_pages_shown(dialect))
        self.listing = compiled(_listing())
        self.catalogue_attribute = compiled(_catalogue_attribute(dialect))
        self.catalogue_features = compiled(_catalogue_features(dialect))
        self.licences = compiled(_licences(dialect))
        self.document = compiled(_document())
        self.changes = ChangeQuestions(dialect)


def _integer(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


_ONE_MOMENT = Bounds(_integer("moment"), _integer("known_by"), _integer("snapshot"))


def _own_moment(asked: FromClause) -> Bounds:
    return Bounds(asked.c.moment, asked.c.known_by, _integer("snapshot"))


def _listed(kind: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(entity.c.entity_id)
        .where(entity.c.kind == kind, entity.c.tx_id <= _integer("snapshot"))
        .order_by(entity.c.entity_id)
    )


def _listing() -> sa.Select[Any]:
    return _listed(_integer("kind"))


def _features(dialect: sa.Dialect) -> sa.Select[Any]:
    asked = rows_asked(dialect)
    key = {"group_id": _integer("group_id"), "entity_id": asked.c.entity_id}
    joined, found = join_visible(asked, feature_fact, key, _own_moment(asked), dialect=dialect)
    return _feature_columns(found).select_from(joined).order_by(asked.c.row)


def _catalogue_features(dialect: sa.Dialect) -> sa.Select[Any]:
    asked = _listed(sa.literal(EntityKind.VIDEO.value)).subquery("asked")
    key = {"group_id": _integer("group_id"), "entity_id": asked.c.entity_id}
    joined, found = join_visible(asked, feature_fact, key, _ONE_MOMENT, dialect=dialect)
    return _feature_columns(found).select_from(joined).order_by(asked.c.entity_id)


def _feature_columns(found: FromClause) -> sa.Select[Any]:
    return sa.select(
        found.c.schema_version, found.c.vector, found.c.known_at, found.c.valid_from
    )


def _attributes(dialect: sa.Dialect) -> sa.Select[Any]:
    rows, names = rows_asked(dialect), names_asked(dialect)
    asked = sa.select(rows, names).select_from(rows.join(names, sa.true())).cte("asked_names")
    if dialect.name != POSTGRESQL:
        asked = asked.prefix_with("MATERIALIZED")
    key = {"kind": _integer("kind"), "entity_id": asked.c.entity_id, "name": asked.c.name}
    joined, found = join_visible(
        asked, attribute_fact, key, _own_moment(asked), dialect=dialect
    )
    return sa.select(asked.c.row, asked.c.place, found.c.value, found.c.known_at).select_from(
        joined
    )


def _catalogue_attribute(dialect: sa.Dialect) -> sa.Select[Any]:
    asked = _listed(sa.literal(EntityKind.VIDEO.value)).subquery("asked")
    key = {
        "kind": sa.literal(EntityKind.VIDEO.value),
        "entity_id": asked.c.entity_id,
        "name": _text("name"),
    }
    joined, found = join_visible(asked, attribute_fact, key, _ONE_MOMENT, dialect=dialect)
    return (
        sa.select(found.c.value, found.c.known_at)
        .select_from(joined)
        .order_by(asked.c.entity_id)
    )


def _entity_attribute_names() -> sa.Select[Any]:
    facts = attribute_fact
    return (
        sa.select(facts.c.name)
        .distinct()
        .where(
            facts.c.kind == _integer("kind"),
            facts.c.entity_id == _integer("entity_id"),
            facts.c.tx_id <= _integer("snapshot"),
        )
        .order_by(facts.c.name)
    )


def _history(dialect: sa.Dialect, *more: str) -> sa.Select[Any]:
    # SQLite cannot limit the rows of each profile in one statement, so it is asked profile by
    # profile: that costs little, as it runs in our own process.
    if dialect.name == POSTGRESQL:
        asked = rows_asked(dialect, "since")
        own = _events(asked.c.entity_id, asked.c.since, _own_moment(asked))
        events: FromClause = own.lateral("event")
        return (
            sa.select(asked.c.row, *_event_columns(events, more))
            .select_from(asked.join(events, sa.true()))
            .order_by(asked.c.row, events.c.event_at.desc(), events.c.event_id.desc())
        )
    one = _events(_integer("entity_id"), _integer("since"), _ONE_MOMENT)
    return sa.select(_integer("row"), *_event_columns(one.subquery("event"), more))


def _event_columns(events: FromClause, more: Sequence[str]) -> Sequence[sa.ColumnElement[Any]]:
    names = ("video_id", "event_at", "kind", "value", "known_at", *more)
    return [events.c[name] for name in names]


def _events(
    profile_id: sa.ColumnElement[Any], since: sa.ColumnElement[Any], bounds: Bounds
) -> sa.Select[Any]:
    version = event_fact.alias("version")
    return (
        sa.select(version)
        .where(
            version.c.profile_id == profile_id,
            is_valid(version.c.event_at, bounds),
            is_after(version.c.event_at, since),
            is_known(version, bounds),
            is_in_snapshot(version, bounds),
            is_asserted(version),
            sa.literal(1).op("<<")(version.c.kind).op("&")(_integer("kind_mask")) != 0,
            speaks_for(version, event_fact, ["event_id"], bounds),
        )
        .order_by(version.c.event_at.desc(), version.c.event_id.desc())
        .limit(_integer("max_events"))
    )


def _pages_shown(dialect: sa.Dialect) -> sa.Select[Any]:
    # Asked profile by profile on SQLite, as events are.
    if dialect.name == POSTGRESQL:
        asked = rows_asked(dialect, "since")
        own = _pages(asked.c.entity_id, asked.c.since, _own_moment(asked))
        shown: FromClause = own.lateral("shown")
        return sa.select(asked.c.row, shown.c.shown_at, shown.c.known_at).select_from(
            asked.join(shown, sa.true())
        )
    one = _pages(_integer("entity_id"), _integer("since"), _ONE_MOMENT).subquery("shown")
    return sa.select(_integer("row"), one.c.shown_at, one.c.known_at)


def _pages(
    profile_id: sa.ColumnElement[Any], since: sa.ColumnElement[Any], bounds: Bounds
) -> sa.Select[Any]:
    version = logged_page.alias("version")
    return sa.select(version.c.shown_at, version.c.known_at).where(
        version.c.profile_id == profile_id,
        is_valid(version.c.shown_at, bounds),
        is_after(version.c.shown_at, since),
        is_known(version, bounds),
        is_in_snapshot(version, bounds),
        is_asserted(version),
        speaks_for(version, logged_page, PAGE_KEY, bounds),
    )


def _licences(dialect: sa.Dialect) -> sa.Select[Any]:
    licence = availability_fact.alias("licence")
    videos = joined_by_commas(licence.c.video_id, dialect)
    visible = sa.select(licence.c.country, videos, sa.func.max(licence.c.known_at)).where(
        is_valid(licence.c.valid_from, _ONE_MOMENT),
        licence.c.valid_to > _ONE_MOMENT.at,
        is_known(licence, _ONE_MOMENT),
        is_in_snapshot(licence, _ONE_MOMENT),
        is_asserted(licence),
        speaks_for(licence, availability_fact, ["window_id"], _ONE_MOMENT),
    )
    return visible.group_by(licence.c.country)


def _document() -> sa.Select[Any]:
    key = {"collection": _text("collection"), "name": _text("name")}
    visible = select_visible(document_fact, key, _ONE_MOMENT)
    names = ("op", "schema_version", "body", "known_at")
    return visible.with_only_columns(*(visible.selected_columns[name] for name in names))
