"""pagesim validate and page show, through the real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from core.moments import format_moment
from tests.support.commands import check_invoked, check_pagesim, invoke_pagesim, run_pagesim
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

BELOW_THRESHOLD = 3
FEW = ("--profiles", 5)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fresh certificates."""
    directory = tmp_path_factory.mktemp("certificates") / "tls"
    check_invoked("mesh", "certificates", "make", directory)
    return directory


@pytest.mark.parametrize("command", [("validate", *FEW), ("page", "show", 3)])
def test_without_certificates_where_they_should_be_nothing_starts(
    lived_store: str, tmp_path: Path, command: tuple[object, ...]
) -> None:
    refused = invoke_pagesim(*command, "--store", lived_store, "--tls", tmp_path)
    assert refused.exit_code == 1
    assert f"{tmp_path / 'ca.pem'} cannot be used: it cannot be read" in refused.messages


def test_what_was_lived_is_simulated_to_the_last_bit(lived_store: str) -> None:
    outcome = check_pagesim("validate", "--store", lived_store, *FEW)
    assert "The simulation is the live system" in outcome.output
    assert "first differ" not in outcome.output
    assert "(100%)" in outcome.messages


def test_facts_read_as_known_too_early_fail_with_3_and_name_what_differs(
    lived_store: str, certificates: Path, tmp_path: Path
) -> None:
    outcome = run_pagesim(
        *("validate", "--store", lived_store, *FEW, "--known-by", "2024-01-04"),
        *("--output", tmp_path / "validation", "--tls", certificates),
    )
    assert outcome.exit_code == BELOW_THRESHOLD, outcome.messages
    assert "Where pages first differ" in outcome.output
    assert "First: " in outcome.output
    assert "Below the threshold of 100.00 %." in outcome.output
    pages, mismatches = (
        pq.read_table(tmp_path / "validation" / f"{name}.parquet")
        for name in ("pages", "mismatches")
    )
    assert 0 < pages["identical"].to_pylist().count(False) <= len(pages)
    assert len(mismatches) > 0


def test_a_page_of_which_nothing_was_logged_is_shown_on_the_default_device(
    lived_store: str, certificates: Path
) -> None:
    with Store.open(lived_store) as store:
        first = next(iter(store.logged_pages(profile_ids=[3], with_features=False)))
    before = format_moment(first.shown_at - 1)
    shown = check_pagesim(
        *("page", "show", 3, "--store", lived_store, "--at", before, "--json"),
        *("--tls", certificates),
    ).document
    assert shown["logged"] is None
    assert shown["simulated"]["simulated"]["device"] == "tv"
