"""pagesim db makes stores, and says what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from experiments.cli.db.database import database
from experiments.cli.terminal import default_store
from timetravel.database import migrate
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


def test_without_a_name_the_store_is_made_in_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGESIM_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "not" / "yet"))
    runner = CliRunner()
    for command in ("upgrade", "upgrade", "check"):
        assert runner.invoke(database, [command]).exit_code == 0, command
    assert (tmp_path / "not" / "yet" / "pagesim" / "store.db").is_file()


def test_a_folder_that_somebody_named_is_not_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'typo' / 'store.db'}"
    result = CliRunner().invoke(database, ["upgrade", "--store", url])
    assert isinstance(result.exception, StoreNotFound)
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_that_cannot_be_made_is_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PAGESIM_STORE", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    result = CliRunner().invoke(database, ["upgrade"])
    assert isinstance(result.exception, StoreNotFound)
    assert "PAGESIM_STORE" in str(result.exception)


@pytest.mark.parametrize("named", ["", "relative/folder"])
def test_a_data_folder_that_is_not_absolute_is_ignored(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_store() == f"sqlite:///{tmp_path}/.local/share/pagesim/store.db"


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
