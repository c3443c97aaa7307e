"""Measures the scope of an experiment: reading the keys of logged pages, and drawing of them.

    python -m benchmarks.scope [--keys NUMBER] [--stored NUMBER]

Drawn is from made-up keys, 10 to a profile on average, once without strata and once divided by
device, each in a process of its own: CPU of all threads, and the most memory that the process
held, its keys included. Read are the keys of a store with pages of 2,400 bytes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from core.moments import EARLIEST_MICROS
from experiments.scope.page_keys import PageKeys
from experiments.scope.scope import find_candidates, select_pages
from experiments.spec import Scope, ScopeSource
from timetravel.database.migrate import upgrade
from timetravel.facts.model import LoggedPageFact
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import EntityKind
    from timetravel.reading.reader import Identities, Moments
    from timetravel.reading.text_reader import JsonTexts

PAGES_PER_PROFILE = 10
PAGE_BYTES = 2_400
START = 1_700_000_000_000_000
DAY = 86_400_000_000
DAYS = 60
DEVICES = ("tv", "phone", "web")
APPENDED_AT_ONCE = 10_000


def main() -> None:
    """Draw small and large scopes, read keys, and print what each cost."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scope", description="Measure drawing the scope."
    )
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--stored", type=int, default=100_000)
    given = parser.parse_args()
    if given.keys < PAGES_PER_PROFILE or given.stored < 1:
        parser.error(f"give at least {PAGES_PER_PROFILE} keys and 1 that is stored")
    print(f"{'keys':>12}{'drawn':>12}  {'strata':<8}{'CPU, s':>8}{'peak memory, MB':>18}")
    spawning = multiprocessing.get_context("spawn")
    everybody = given.keys // PAGES_PER_PROFILE
    for profiles, pages, strata in (
        (max(everybody // 100, 1), 1, ()),
        (max(everybody // 2, 1), 5, ()),
        (max(everybody // 2, 1), 5, ("device",)),
    ):
        scope = Scope(ScopeSource.LOGGED_PAGES, None, profiles, pages, strata)
        with spawning.Pool(1) as pool:
            drawn, seconds, peak_bytes = pool.apply(measure_draw, (given.keys, scope))
        print(
            f"{given.keys:>12,}{drawn:>12,}  {', '.join(strata) or 'none':<8}"
            f"{seconds:>8.1f}{peak_bytes / 1e6:>18,.0f}"
        )
    seconds = measure_reading(given.stored)
    print(f"Reading {given.stored:,} keys: {1e6 * seconds / given.stored:.2f} us of CPU each")


def measure_draw(keys: int, scope: Scope) -> tuple[int, float, int]:
    """Return pages drawn, seconds of CPU, and the most bytes held, of a draw."""
    candidates = make_keys(keys)
    began = time.process_time()
    pages = select_pages(candidates, scope, 7, Unknown())
    return (
        len(pages),
        time.process_time() - began,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def make_keys(keys: int) -> PageKeys:
    """Return the keys of pages of random profiles, each at a moment of its own."""
    random = np.random.default_rng(7)
    return PageKeys.of(
        START + np.arange(keys) * (DAYS * DAY // keys),
        random.integers(0, max(keys // PAGES_PER_PROFILE, 1), keys),
        pa.DictionaryArray.from_arrays(
            random.integers(0, len(DEVICES), keys, np.int32), pa.array(DEVICES)
        ),
    )


class Unknown:
    """Knows no attribute, so that the draw alone is measured."""

    def attribute_texts(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], Int64Array]:
        """Return that nothing was visible."""
        del kind, at
        pages = len(entity_ids)
        return dict.fromkeys(names, [None] * pages), np.full(pages, EARLIEST_MICROS)


def measure_reading(pages: int) -> float:
    """Return the seconds of CPU that reading the keys of so many logged pages takes."""
    scope = Scope(ScopeSource.LOGGED_PAGES, None, 1, 1, ())
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{Path(name) / 'store.db'}"
        upgrade(url)
        with Store.open(url) as store:
            log_pages(store, pages)
            snapshot = store.snapshot()
            find_candidates(store, scope, snapshot)  # what is loaded and cached once
            began = time.process_time()
            find_candidates(store, scope, snapshot)
            return time.process_time() - began


def log_pages(store: Store, pages: int) -> None:
    """Append logged pages that hold nothing but bytes."""
    keys = make_keys(pages)
    for first in range(0, pages, APPENDED_AT_ONCE):
        some = keys[first : first + APPENDED_AT_ONCE]
        columns = (some.profile_ids, some.as_of_micros, some.devices)
        facts = [
            LoggedPageFact(profile_id, shown_at, shown_at, device, {}, bytes(PAGE_BYTES), "-")
            for profile_id, shown_at, device in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]
        with store.begin(START) as writer:
            writer.append(facts, source="benchmark", synthetic=True)


if __name__ == "__main__":
    main()
