"""pagesim run --dry-run: a few pages of every variant, and how they differ from control."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.table import Table

from experiments.cli.terminal import ScreenConsole, print_json, progress
from experiments.generation.external_ids import PageIds
from experiments.runs.plan import plan_run
from experiments.runs.trial import Trial, draw_pages
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.runs.plan import RunPlan
    from experiments.runs.trial import TrialPages
    from experiments.spec import ExperimentSpec


def show_dry_run(
    spec: ExperimentSpec, store_url: str, snapshot: int | None, count: int, *, as_json: bool
) -> None:
    """Make so many pages of every variant in this process, and print what they are.

    Args:
        spec: The experiment.
        store_url: The store that holds the facts and logged pages.
        snapshot: Append position up to which is read; the newest if None.
        count: Pages of each variant.
        as_json: Whether to print JSON.
    """
    with Store.open(store_url) as store:
        with progress("Drawing pages"):
            plan = plan_run(spec, store, snapshot, lambda: datetime.now(UTC))
            batches = draw_pages(plan, count)
        profile_ids = np.unique(np.concatenate([keys.profile_ids for keys in batches]))
        page_ids = PageIds.of_store(store, profile_ids)
        reader = store.pinned(plan.record.snapshot, spec.known_by_micros)
        trial = Trial(plan, reader, page_ids, time.process_time)
        pages = sum(map(len, batches))
        with progress("Making pages", pages * len(spec.variants)) as advance:
            made = [trial.make(variant, batches, advance) for variant in spec.variants]
    if as_json:
        names = [name for keys in batches for name in page_ids.of_keys(keys).to_pylist()]
        print_json(_describe(plan, names, made))
        return
    output = ScreenConsole()
    output.print(f"{spec.name}, snapshot {plan.record.snapshot}", style="bold")
    output.print(
        f"{pages:,} of the {plan.pages:,} pages of each variant, made in this process; "
        "nothing was written."
    )
    output.print(_render(made))
    print_failures(output, made, spec.limits.page_yield)


def print_failures(
    output: ScreenConsole, made: Sequence[TrialPages], minimum_yield: float
) -> None:
    """Print why pages could not be made, and which variants would end a run."""
    for one in made:
        for reason, count in one.reasons.most_common():
            output.print(f"{one.variant}: {count:,} failed because of {reason}")
        if one.tally.is_below(minimum_yield):
            output.print(
                f"{one.variant}: a run ends when less than {minimum_yield:.1%} can be made "
                "(limits.page_yield).",
                style="bold red",
            )


def describe_failures(one: TrialPages) -> dict[str, object]:
    """Return how many pages could be made, and why others could not."""
    return {
        "pages": len(one.digests),
        "made": one.made,
        "failed": one.failures,
        "reasons": dict(one.reasons.most_common()),
    }


def _render(made: Sequence[TrialPages]) -> Table:
    control = made[0]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("variant")
    for title in ("made", "failed", "differ from control"):
        table.add_column(title, justify="right")
    for one in made:
        differing, both = one.count_differing(control)
        told = "" if one is control else f"{differing:,} of {both:,}"
        table.add_row(one.variant, f"{one.made:,}", f"{one.failures:,}", told)
    return table


def _describe(
    plan: RunPlan, page_ids: Sequence[str], made: Sequence[TrialPages]
) -> dict[str, object]:
    control = made[0]
    variants = []
    for one in made:
        differing, both = one.count_differing(control)
        variants.append(
            {
                "variant": one.variant,
                **describe_failures(one),
                "compared": both,
                "differing": differing,
                "page_digests": one.digests,
            }
        )
    return {
        "experiment": plan.spec.name,
        "snapshot": plan.record.snapshot,
        "page_ids": page_ids,
        "variants": variants,
    }
