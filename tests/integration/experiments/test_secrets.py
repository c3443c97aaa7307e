"""Where the store is, with its password, stays between those who open it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
import sqlalchemy as sa

from experiments.generation.single_stack import single_stack
from mesh.topology.stack import Stack
from tests.support.facts.upkeep import files_with, own_database
from timetravel.database import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.long]

SECRET = "open-sesame"  # noqa: S105 - of nothing


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp(SECRET) / 'store.db'}"
        migrate.upgrade(url)
        yield url
        return
    with own_database() as own:
        migrate.upgrade(own)
        secret = sa.make_url(own).set(password=SECRET)
        yield secret.render_as_string(hide_password=False)


def test_the_store_is_on_no_command_line_and_in_no_file(store_url: str, tmp_path: Path) -> None:
    assert SECRET in store_url
    stack = Stack("trial", 0)
    with single_stack(store_url, tmp_path / "segments", stack, tmp_path / "logs"):
        processes = psutil.Process().children(recursive=True)
        commands = {process: process.cmdline() for process in processes}
        assert len(commands) > 5
        assert not [command for command in commands.values() if SECRET in str(command)]
        assert files_with(SECRET.encode(), tmp_path) == []
        told = {
            command[command.index("-m") + 1]
            for process, command in commands.items()
            if SECRET in str(process.environ())
        }
    assert told == {"mesh", "timetravel"}
    assert files_with(SECRET.encode(), tmp_path) == []
