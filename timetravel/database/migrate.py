"""Migrates a store's schema to the revision that this code is written for.

A later revision is drafted by `python -m timetravel.database.migrate "What it does"`, which
compares `timetravel.database.schema` with an empty store at the newest revision; read it before
committing it.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from timetravel.database.engine import (
    create_engine,
    describe_url,
    parse_url,
    reading,
    sqlite_path,
    writing,
)
from timetravel.database.schema import metadata
from timetravel.errors import SchemaOutdated, SchemaTooNew, StoreNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa


def upgrade(url: str, revision: str = "head") -> str:
    """Create the store if there is none, run the missing revisions, and return the newest.

    They run in one transaction; an SQLite file that did not exist is removed again if they
    fail.

    Args:
        url: The store.
        revision: Where to stop; "head" is the newest.

    Raises:
        InvalidStoreUrl: The URL names neither SQLite nor PostgreSQL.
        StoreNotFound: The directory of the SQLite file does not exist, or the file is
            something else.
        SchemaTooNew: A later pagesim has migrated the store.
        StoreUnavailable: The database cannot be reached or is locked.
    """
    with _open_engine(url, create=True) as engine, writing(engine) as connection:
        _check_not_too_new(engine.url, _revision_of(connection))
        command.upgrade(_configuration(connection), revision)
    return newest_revision()


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to an earlier revision, or to "base": no tables at all."""
    with _open_engine(url) as engine, writing(engine) as connection:
        command.downgrade(_configuration(connection), revision)


def current_revision(url: str) -> str | None:
    """Return the revision of a store, None if no revision was ever run on it.

    Raises:
        StoreNotFound: There is no such file.
    """
    with _open_engine(url) as engine, reading(engine) as connection:
        return _revision_of(connection)


def newest_revision() -> str:
    """Return the revision that this code is written for."""
    head = _scripts().get_current_head()
    if head is None:
        raise AssertionError("migrations/versions is empty")
    return head


def known_revisions() -> Sequence[str]:
    """Return the revisions that this code can upgrade from, oldest first."""
    return [script.revision for script in _scripts().walk_revisions()][::-1]


def check(url: str) -> None:
    """Refuse a store whose tables are not those of this code.

    Raises:
        SchemaOutdated: Revisions are missing, or the tables differ from the definition.
        SchemaTooNew: A later pagesim has migrated the store.
        StoreNotFound: There is no such file.
    """
    with _open_engine(url) as engine, reading(engine) as connection:
        check_revision(connection)
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), metadata
        )
    if differences:
        raise SchemaOutdated(
            f"The tables of {describe_url(parse_url(url))} differ from the definition: "
            f"{differences}.",
            remedy="Undo what was changed by hand, or restore the store.",
        )


def check_revision(connection: sa.Connection) -> None:
    """Refuse a store that is not at the newest revision.

    Raises:
        SchemaOutdated: Revisions are missing.
        SchemaTooNew: A later pagesim has migrated the store.
    """
    found = _revision_of(connection)
    if found == newest_revision():
        return
    url = connection.engine.url
    _check_not_too_new(url, found)
    shown = describe_url(url)
    raise SchemaOutdated(
        f"The schema of {shown} is {'empty' if found is None else f'at revision {found}'}; "
        f"this pagesim needs {newest_revision()}.",
        remedy=f"Run: pagesim db upgrade --store {shown}",
        field="store",
    )


def draft_revision(message: str) -> Path:
    """Write a new revision: what the schema has and the newest revision lacks."""
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/draft.db"
        upgrade(url)
        with _open_engine(url) as engine, writing(engine) as connection:
            number = len(list(_scripts().walk_revisions())) + 1
            script = command.revision(
                _configuration(connection), message, autogenerate=True, rev_id=f"{number:04}"
            )
    if script is None or isinstance(script, list):
        raise AssertionError(f"Alembic drafted {script}")
    return Path(script.path)


@contextmanager
def _open_engine(url: str, *, create: bool = False) -> Iterator[sa.Engine]:
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    creates_file = path is not None and not path.exists()
    if path is not None and creates_file and not (create and path.parent.is_dir()):
        missing = path.parent if create else path
        raise StoreNotFound(
            f"{missing} does not exist.",
            remedy=f"Create the directory {missing}."
            if create
            else f"Run: pagesim db upgrade --store {describe_url(parsed)}",
            field="store",
        )
    engine = create_engine(parsed)
    succeeded = False
    try:
        yield engine
        succeeded = True
    finally:
        engine.dispose()
        if path is not None and creates_file and not succeeded:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)


def _configuration(connection: sa.Connection | None = None) -> Config:
    configuration = Config(output_buffer=None)
    # Alembic interpolates %, which a path may hold.
    location = str(files("migrations")).replace("%", "%%")
    configuration.set_main_option("script_location", location)
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["connection"] = connection
    configuration.attributes["target_metadata"] = metadata
    return configuration


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_configuration())


def _revision_of(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_not_too_new(url: sa.URL, found: str | None) -> None:
    if found is not None and found not in known_revisions():
        raise SchemaTooNew(
            f"{describe_url(url)} is at revision {found}, which this pagesim does not know.",
            remedy="Use the pagesim that migrated it, or a later one.",
            field="store",
        )


if __name__ == "__main__":
    draft_revision(" ".join(sys.argv[1:]))
