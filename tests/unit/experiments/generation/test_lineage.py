"""No page uses the future: every leak is reported, and nothing else is."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from rich.console import Console

from core.moments import LAST_MICROS, format_moment
from experiments.errors import LeakedPages
from experiments.generation.external_ids import PageIds
from experiments.generation.lineage import PageLeak, check_lineage, find_page_leaks
from experiments.generation.outages import Patience, StackHealth
from experiments.validation.fidelity_report import render_outcome
from experiments.validation.outcome import summarise
from experiments.validation.validate import (
    ValidationScope,
    choose_logged_pages,
    validate_pages,
)
from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from tests.support.effort import effort
from tests.support.facts.leaks import LeakyWorld
from tests.support.pages.page_worlds import DAY, END, START, PromisingNothing, make_world
from timetravel.database.migrate import upgrade
from timetravel.errors import LeakedFact
from timetravel.facts.model import FactKind
from timetravel.reading.leak_guard import GuardedReader
from timetravel.reading.lineage import Leak
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from services.page.model import AssembledPages
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import CatalogueRows, FactReader

LEAKS: Final = effort(200, 1_000)
CLEAN_PAGES: Final = effort(5_000, 100_000)
BATCHES: Final = effort(10, 100)
SMALL_PAGES: Final[dict[str, JsonValue]] = {
    "geometry": {
        "devices": {
            "tv": {"rows": 3, "columns": 3, "viewport_rows": 1, "viewport_columns": 2},
        }
    },
    "ranking": {"candidate_depth": 4},
    "row_selection": {"candidate_depth": 4},
}
"""Lineage does not depend on how much of a page is shown."""


def assembler_over(reader: FactReader) -> InProcessAssembler:
    return InProcessAssembler(reader, configuration_overlay=SMALL_PAGES)


def one_page(reader: FactReader, profile_id: int, as_of: int) -> AssembledPages:
    requests = PageRequests.of([(profile_id, as_of, "tv")])
    return assembler_over(reader).assemble(requests)


def as_known_at_each_moment() -> None:
    return None


@pytest.mark.scaled
def test_every_leak_is_reported_with_the_fact_that_leaked() -> None:
    chance = Random(2)  # noqa: S311 - a test world, not a secret
    worlds = [LeakyWorld(make_world(seed, videos=12, profiles=4), chance) for seed in range(5)]
    told: Counter[FactKind] = Counter()
    for _ in range(LEAKS):
        world = chance.choice(worlds)
        leak = world.inject()
        guarded = GuardedReader(world.reader(leak), as_known_at_each_moment)
        (failure,) = one_page(guarded, leak.profile_id, leak.as_of).failures
        assert isinstance(failure.cause, LeakedFact)
        name = f" {leak.name}" if leak.name else ""
        assert failure.message.startswith(
            f"lineage: The {leak.kind.name.lower()}{name} of {leak.about}, known at "
            f"{format_moment(leak.fact.known_at)}, was used as of {format_moment(leak.as_of)}."
        )
        told[leak.kind] += 1
    every_kind = {
        *(FactKind.FEATURES, FactKind.ATTRIBUTE, FactKind.EVENT, FactKind.AVAILABILITY),
        FactKind.DOCUMENT,
    }
    assert set(told) == every_kind
    assert min(told.values()) > LEAKS // 20


@pytest.mark.scaled
def test_every_leak_shows_in_the_lineage_of_its_page() -> None:
    chance = Random(3)  # noqa: S311 - likewise
    worlds = [LeakyWorld(make_world(seed, videos=12, profiles=4), chance) for seed in range(5)]
    for _ in range(LEAKS):
        world = chance.choice(worlds)
        leak = world.inject()
        pages = one_page(world.reader(leak), leak.profile_id, leak.as_of)
        (found,) = find_page_leaks(pages, None, PageIds.by_numbers())
        assert (found.newest_known_at, found.as_of) == (leak.fact.known_at, leak.as_of)
        with pytest.raises(LeakedPages, match=f"Page {leak.profile_id}@"):
            check_lineage(pages, None, PageIds.by_numbers())


@pytest.fixture(scope="module")
def clean_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SegmentReader]:
    path: Path = tmp_path_factory.mktemp("lineage") / "store.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    with Store.open(url) as store:
        world = make_world(7, videos=24, profiles=30)
        with store.begin(END) as writer:
            for group in world.groups:
                writer.register(group)
            writer.append(world.facts, source="test", synthetic=True)
        yield SegmentReader(store.segment(store.snapshot()))


@pytest.mark.scaled
def test_clean_pages_raise_no_alarm(clean_reader: SegmentReader) -> None:
    chance = np.random.default_rng(4)
    assembler = assembler_over(GuardedReader(clean_reader, as_known_at_each_moment))
    made = 0
    # Batches of several moments, as experiments have them; ascending, so that less is read.
    drawn = np.sort(chance.integers(START + 3 * DAY, END, BATCHES * 8))
    for moments in drawn.reshape(BATCHES, 8):
        profiles = chance.integers(1000, 1030, CLEAN_PAGES // BATCHES)
        as_of = chance.choice(moments, len(profiles))
        pages = assembler.assemble(PageRequests(profiles, as_of, ("tv",) * len(profiles)))
        assert pages.failures == ()
        check_lineage(pages, None, PageIds.by_numbers())
        assert (pages.newest_known_at > START).all()
        made += len(pages)
    assert made >= CLEAN_PAGES


class PromisingTooMuch(PromisingNothing):
    """Says of the catalogue that it never changes."""

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        rows = super().catalogue(at, names)
        return type(rows)(
            rows.catalogue_version, rows.video_ids, rows.columns, None, rows.newest_known_at
        )


def test_what_is_kept_too_long_is_found_on_the_page() -> None:
    world = make_world(3)
    assembler = assembler_over(
        GuardedReader(PromisingTooMuch(world.reader()), as_known_at_each_moment)
    )
    later, earlier = END, START + 2 * DAY
    assembler.assemble(PageRequests.of([(world.profile_ids[1], later, "tv")]))
    pages = assembler.assemble(PageRequests.of([(world.profile_ids[1], earlier, "tv")]))
    (leak,) = find_page_leaks(pages, None, PageIds.by_numbers())
    assert leak.as_of == earlier < leak.newest_known_at


def test_facts_may_be_read_as_known_later_where_that_is_asked_for() -> None:
    chance = Random(5)  # noqa: S311 - likewise
    world = LeakyWorld(make_world(1), chance)
    leak = world.inject()
    pages = one_page(world.reader(leak), leak.profile_id, leak.as_of)
    known_at = leak.fact.known_at
    assert find_page_leaks(pages, known_at, PageIds.by_numbers()) == []
    (found,) = find_page_leaks(pages, known_at - 1, PageIds.by_numbers())
    assert str(found) == (
        f"Page {leak.profile_id}@{format_moment(leak.as_of)} used a fact known at "
        f"{format_moment(known_at)}, later than {format_moment(known_at - 1)}"
    )


def test_a_validation_that_looks_into_the_future_says_so_and_fails(
    simulated_run: SimulatedRun, store: Store
) -> None:
    scope = ValidationScope(simulated_run.snapshot)
    chosen = choose_logged_pages(store, scope)
    leaking = store.as_of(simulated_run.snapshot, LAST_MICROS)  # as known now, unasked
    undisturbed = Patience(StackHealth)
    outcome = validate_pages(
        store, scope, chosen, InProcessAssembler(leaking), leaking, undisturbed
    )
    pages = [leak for leak in outcome.leaks if isinstance(leak, PageLeak)]
    assert len(pages) == outcome.future_reads > 0
    assert {leak.kind for leak in outcome.leaks if isinstance(leak, Leak)} == {
        FactKind.FEATURES
    }
    assert not replace(outcome, threshold=0.0).passes
    leaks = summarise(outcome, store.external_id)["leaks"]
    assert isinstance(leaks, list)
    assert str(outcome.leaks[0]) in leaks
    told = io.StringIO()
    Console(file=told, width=200, _environ={}).print(render_outcome(outcome, store.external_id))
    assert "Used before it was known" in told.getvalue()
    assert "The simulation looked into the future." in told.getvalue()
    honest = validate_pages(
        store,
        scope,
        chosen,
        InProcessAssembler(store.as_of(scope.snapshot)),
        store.as_of(scope.snapshot),
        undisturbed,
    )
    assert honest.leaks == ()
