"""An empty database of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.facts.upkeep import own_database
from timetravel.database.engine import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.URL]:
    if request.param == "sqlite":
        yield parse_url(f"sqlite:///{tmp_path_factory.mktemp('database') / 'own.db'}")
        return
    with own_database() as url:
        yield parse_url(url)
