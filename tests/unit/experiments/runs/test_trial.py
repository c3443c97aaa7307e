"""Pages that are made before a run are the pages of the run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.dataset as ds
import pytest

from core.moments import LAST_MICROS
from experiments.errors import LeakedPages
from experiments.generation.external_ids import PageIds
from experiments.generation.generator import cut_batches
from experiments.runs.plan import plan_run
from experiments.runs.trial import (
    CALIBRATION_PAGES,
    Trial,
    TrialPages,
    cut_calibration,
    draw_pages,
)
from tests.support.pages.planned_runs import keys_in_strata, make_spec, now, plan_pages
from tests.support.pages.simulated_runs import OVERLAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.runs.plan import RunPlan
    from experiments.scope.page_keys import PageKeys
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store

VARIANTS = [
    {"name": name, "configuration": dict(overlay)} for name, overlay in OVERLAYS.items()
]
STRATA = {
    "source": "logged_pages",
    "profiles": 12,
    "pages_per_profile": 2,
    "strata": ["country"],
}


@pytest.fixture(scope="module")
def planned(store: Store) -> RunPlan:
    return plan_run(make_spec(scope=STRATA, variants=VARIANTS, slices=2), store, None, now)


def ignore(_amount: int = 1, /, *, description: str | None = None) -> None:
    del description


def make_trial(planned: RunPlan, store: Store, *, known_by: int | None = None) -> Trial:
    clock = iter(np.arange(0.0, 100.0, 0.25).tolist())
    reader = store.pinned(planned.record.snapshot, known_by)
    return Trial(planned, reader, PageIds.by_numbers(), clock.__next__)


def names_of(batches: Sequence[PageKeys]) -> list[str]:
    by_numbers = PageIds.by_numbers()
    return [name for keys in batches for name in by_numbers.of_keys(keys).to_pylist()]


def test_pages_have_the_digests_that_a_run_writes(
    planned: RunPlan, simulated_run: SimulatedRun, store: Store
) -> None:
    batches = draw_pages(planned, 10)
    trial = make_trial(planned, store)
    pages = ds.dataset(simulated_run.directory / "pages", partitioning="hive").to_table()
    written = {
        (one["variant"], one["page_id"]): one["page_digest"] for one in pages.to_pylist()
    }
    made = [trial.make(variant, batches, ignore) for variant in planned.spec.variants]
    for one in made:
        assert one.digests == tuple(written[one.variant, name] for name in names_of(batches))
        assert (one.made, one.failures) == (10, 0)
    differing, both = made[1].count_differing(made[0])
    assert both == 10
    assert differing == sum(
        written["control", name] != written["popularity", name] for name in names_of(batches)
    )
    assert differing > 0
    assert made[0].count_differing(made[0]) == (0, 10)


def test_pages_that_one_of_two_could_not_make_do_not_count_as_different() -> None:
    control = TrialPages("control", ("a", "b", "", "d"), Counter({"nobody": 1}), 1.0)
    other = TrialPages("other", ("a", "x", "y", ""), Counter({"nobody": 1}), 1.0)
    assert other.count_differing(control) == (1, 2)
    assert (other.made, other.failures) == (3, 1)


def test_a_page_that_cannot_be_made_is_told_with_its_reason(store: Store) -> None:
    overlay = {"geometry": {"devices": {"phone": None}}}
    variants = [{"name": "control"}, {"name": "no-phones", "configuration": overlay}]
    planned = plan_run(make_spec(scope=STRATA, variants=variants), store, None, now)
    batches = draw_pages(planned, 24)
    phones = sum(keys.devices.to_pylist().count("phone") for keys in batches)
    assert 0 < phones < 24
    made = make_trial(planned, store).make(planned.spec.variants[1], batches, ignore)
    assert made.failures == phones
    (reason,) = made.reasons
    assert reason.startswith("INVALID_ARGUMENT: devices: 'phone' is not a device")
    assert made.tally.is_below(0.95)
    assert made.digests.count("") == phones


def test_only_pages_after_the_warm_up_are_measured(planned: RunPlan, store: Store) -> None:
    batches = draw_pages(planned, 5)
    told: list[int] = []

    def note(amount: int = 1, /, *, description: str | None = None) -> None:
        del description
        told.append(amount)

    made = make_trial(planned, store).make(planned.spec.control, batches, note, warms_up=True)
    assert made.cpu_seconds == 0.25
    assert made.page_micros == pytest.approx(50_000)
    assert sum(told) == 5


def test_pages_that_used_what_was_not_yet_known_are_refused(
    planned: RunPlan, store: Store
) -> None:
    leaking = make_trial(planned, store, known_by=LAST_MICROS)
    with pytest.raises(LeakedPages):
        leaking.make(planned.spec.control, draw_pages(planned, 24), ignore)


def test_the_draw_follows_the_seed_and_spreads_over_strata(store: Store) -> None:
    keys = keys_in_strata(*((number, "ab"[number % 4 == 0]) for number in range(400)))
    plans = [plan_pages(keys, make_spec(seed=seed, slices=3), store, {}) for seed in (1, 1, 2)]
    one, same, other = (names_of(draw_pages(planned, 20)) for planned in plans)
    assert one == same != other
    strata = [name for part in draw_pages(plans[0], 20) for name in part.strata.to_pylist()]
    assert Counter(strata) == {"a": 15, "b": 5}
    assert {*one} < {*names_of(draw_pages(plans[0], 100))}
    assert max(int(name.partition("@")[0]) for name in one) > 300


def test_as_many_pages_are_drawn_as_there_are(planned: RunPlan) -> None:
    everything = [name for one in planned.slices for name in names_of(one.chunks)]
    assert names_of(draw_pages(planned, 1_000)) == everything


@pytest.mark.parametrize("pages", [1, 100, 5_000, 50_000])
@pytest.mark.parametrize("batch_pages", [1, 100, 512, 1024])
def test_a_calibration_makes_batches_of_the_run_from_all_over_it(
    store: Store, pages: int, batch_pages: int
) -> None:
    keys = keys_in_strata(*((number, "a") for number in range(pages)))
    spec = make_spec(slices=3, limits={"batch_pages": batch_pages})
    planned = plan_pages(keys, spec, store, {})
    cut = [
        tuple(batch.profile_ids.tolist())
        for one in planned.slices
        for chunk in one.chunks
        for batch in cut_batches(chunk, batch_pages)
    ]
    sampled = [tuple(batch.profile_ids.tolist()) for batch in cut_calibration(planned)]
    assert {*sampled} <= {*cut}
    assert len({*sampled}) == len(sampled)
    made = sum(map(len, sampled))
    assert 0 < made <= min(CALIBRATION_PAGES, pages)
    if pages > 10 * CALIBRATION_PAGES:
        assert made > CALIBRATION_PAGES / 2
        assert sampled[0][0] < pages / 3
        assert sampled[-1][0] > pages / 2
