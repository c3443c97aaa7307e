"""Stores of every revision are brought up to date, and back, with what they hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from tests.support.facts.released_stores import FOLDER, describe, dump, fill, load
from tests.support.facts.upkeep import own_database
from timetravel.database import migrate
from timetravel.database.engine import create_engine, parse_url
from timetravel.database.schema import metadata
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

REVISIONS = migrate.known_revisions()
RELEASED = sorted(path.stem for path in FOLDER.glob("*.json"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    with own_database() as own:
        yield own


def answers(url: str) -> dict[str, Any]:
    with Store.open(url) as store:
        found: dict[str, Any] = json.loads(json.dumps(describe(store)))
    return found


@pytest.mark.parametrize("revision", RELEASED)
def test_a_store_of_a_released_revision_answers_as_it_did(url: str, revision: str) -> None:
    stored = json.loads((FOLDER / f"{revision}.json").read_text(encoding="utf-8"))
    migrate.upgrade(url, revision)
    assert migrate.current_revision(url) == revision == stored["revision"]
    load(url, stored)
    migrate.upgrade(url)
    migrate.check(url)
    assert answers(url) == stored["answers"]


def test_the_newest_revision_is_kept_for_those_to_come(
    tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    url, revision = f"sqlite:///{tmp_path / 'store.db'}", migrate.newest_revision()
    migrate.upgrade(url)
    with Store.open(url) as store:
        fill(store)
        golden(f"stores/{revision}.json", dump(store, revision))


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_store_is_taken_back_to_a_revision_and_up_again(url: str, revision: str) -> None:
    migrate.upgrade(url)
    with Store.open(url) as store:
        fill(store)
    before = answers(url)
    migrate.downgrade(url, revision)
    assert migrate.current_revision(url) == revision
    migrate.upgrade(url)
    migrate.check(url)
    after = answers(url)
    if revision < "0004":
        # Without the op of a page nothing can say that it was withdrawn.
        assert [page[:3] for page in after["pages"]] == [[2, 30, 31]]
    assert after == before


def test_the_revisions_make_what_the_definition_says(url: str, tmp_path: Path) -> None:
    migrate.upgrade(url)
    migrated = describe_tables(url)
    engine = create_engine(parse_url(url))
    if engine.dialect.name == "sqlite":
        other = f"sqlite:///{tmp_path / 'defined.db'}"
        define(other)
        assert migrated == describe_tables(other)
    else:
        with own_database() as other:
            define(other)
            assert migrated == describe_tables(other)
    engine.dispose()


def define(url: str) -> None:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        metadata.create_all(connection)
    engine.dispose()


def describe_tables(url: str) -> dict[str, Any]:
    """Return what a database says of our tables, down to what Alembic does not compare."""
    engine = create_engine(parse_url(url))
    described: dict[str, Any] = {}
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        for name in metadata.tables:
            columns = sorted(inspector.get_columns(name), key=lambda column: column["name"])
            described[name] = {
                "columns": [
                    (column["name"], str(column["type"]), column["nullable"], column["default"])
                    for column in columns
                ],
                "key": inspector.get_pk_constraint(name),
                "indexes": inspector.get_indexes(name),
                "unique": inspector.get_unique_constraints(name),
                "checks": [one["name"] for one in inspector.get_check_constraints(name)],
            }
        if engine.dialect.name == "sqlite":
            listed = connection.exec_driver_sql("PRAGMA table_list").mappings()
            for row in listed:
                if row["name"] in described:
                    described[row["name"]]["without_rowid"] = row["wr"]
    engine.dispose()
    return described
