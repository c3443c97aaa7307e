"""pagesim db makes stores, and says what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from experiments.cli.database import database
from timetravel import migrate
from timetravel.errors import SchemaOutdated, StoreNotFound

if TYPE_CHECKING:
    from pathlib import Path


def test_upgrade_makes_a_store_that_passes_the_check(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    runner = CliRunner()
    for command in ("upgrade", "check"):
        result = runner.invoke(database, [command, "--store", url])
        assert result.exit_code == 0
        assert migrate.newest_revision() in result.stderr
    result = runner.invoke(database, ["current", "--store", url])
    assert result.stdout == f"{migrate.newest_revision()}\n"


def test_the_store_may_come_from_the_environment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    result = CliRunner().invoke(database, ["upgrade"], env={"PAGESIM_STORE": url})
    assert result.exit_code == 0
    migrate.check(url)


def test_no_store_is_a_wrong_command_line() -> None:
    result = CliRunner().invoke(database, ["upgrade"])
    assert result.exit_code == 2
    assert "PAGESIM_STORE" in result.stderr


def test_what_is_wrong_comes_out_as_an_error_of_ours(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    result = CliRunner().invoke(database, ["check", "--store", url])
    assert isinstance(result.exception, StoreNotFound)
    migrate.upgrade(url)
    migrate.downgrade(url, "base")
    result = CliRunner().invoke(database, ["check", "--store", url])
    assert isinstance(result.exception, SchemaOutdated)
    result = CliRunner().invoke(database, ["current", "--store", url])
    assert result.stdout == "none\n"
