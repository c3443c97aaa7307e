"""Measures the store: how fast facts are appended, how fast they are read.

    python -m benchmarks.store.questions [STORE_URL]

Without a URL it uses an SQLite file in a temporary directory. A PostgreSQL database must be
empty. All figures come from one run on one machine: compare them with each other.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.database import migrate
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
)
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timetravel.facts.model import Fact
    from timetravel.reading.reader import FactReader

DAY: Final = 86_400 * 1_000_000
VIDEOS: Final = 10_000
PROFILES: Final = 600
NAMES: Final = ("added_at", "genres", "maturity", "title", "year")
COUNTRIES: Final = ("AR", "BR", "DE", "FR", "IN", "JP", "NZ", "US")
POPULARITY: Final = FeatureGroup("popularity", EntityKind.VIDEO, 1, tuple("abcde"))
LATE: Final = FeatureGroup("late_popularity", EntityKind.VIDEO, 1, tuple("abcde"))
TASTE: Final = FeatureGroup(
    "taste", EntityKind.PROFILE, 1, tuple(f"field-{number}" for number in range(50))
)
BATCH: Final = 256
REPETITIONS: Final = 9


def main(arguments: Sequence[str]) -> None:
    """Fill a store and print what it took."""
    with tempfile.TemporaryDirectory() as directory:
        url = arguments[0] if arguments else f"sqlite:///{directory}/store.db"
        migrate.upgrade(url)
        with Store.open(url) as store:
            print(store.url)
            measure_appends(store)
            measure_reads("as of a moment", store.as_of())
            measure_reads("as it is", store.current())


def measure_appends(store: Store) -> None:
    """Append each kind of fact, in one transaction each, and print facts per second."""
    chance = np.random.default_rng(0)
    with store.begin(0) as writer:
        for group in (POPULARITY, LATE, TASTE):
            writer.register(group)
    print("\nappended, facts per second")
    for name, facts in make_facts(chance).items():
        started = time.perf_counter()
        with store.begin(0) as writer:
            writer.append(facts, source="benchmark", synthetic=True)
        seconds = time.perf_counter() - started
        print(f"  {name:48} {len(facts) / seconds:>12,.0f}")


def make_facts(chance: np.random.Generator) -> dict[str, list[Fact]]:
    """Return facts of each kind."""
    short, long = np.ones(5, np.float32), np.ones(50, np.float32)
    late = chance.integers(0, DAY, (20, VIDEOS)).tolist()
    watched = chance.integers(0, 365 * DAY, (PROFILES, 165)).tolist()
    return {
        "vectors of 50 fields": [
            FeatureFact(TASTE.name, profile, day * DAY, day * DAY + 1, long)
            for day in range(170)
            for profile in range(PROFILES)
        ],
        "vectors of videos, known together": [
            FeatureFact(POPULARITY.name, video, day * DAY, day * DAY + 1, short)
            for day in range(20)
            for video in range(VIDEOS)
        ],
        "vectors of videos, each known at its own moment": [
            FeatureFact(LATE.name, video, day * DAY, day * DAY + late[day][video], short)
            for day in range(20)
            for video in range(VIDEOS)
        ],
        "events": [
            EventFact(f"{profile}:{number}", profile, at, EventKind.PLAY, number, 0.5, at)
            for profile in range(PROFILES)
            for number, at in enumerate(watched[profile])
        ],
        "attributes": [
            AttributeFact(EntityKind.VIDEO, video, name, 0, 0, f"{name} {video}")
            for video in range(VIDEOS)
            for name in NAMES
        ],
        "licences": [
            AvailabilityFact(f"{video}:{country}", video, country, 0, 400 * DAY, 0)
            for video in range(VIDEOS)
            for country in COUNTRIES
        ],
    }


def measure_reads(title: str, reader: FactReader) -> None:
    """Ask each question some times, and print the median in milliseconds."""
    chance = np.random.default_rng(1)
    profiles = chance.integers(0, PROFILES, BATCH)
    at = chance.integers(0, 170 * DAY, BATCH)
    one = profiles[:1]
    noon = 10 * DAY + DAY // 2
    questions: dict[str, Callable[[], object]] = {
        f"{BATCH} vectors of 50 fields": lambda: reader.features(TASTE.name, profiles, at),
        f"{BATCH} histories of about 80 events": lambda: reader.history(profiles, at),
        f"{BATCH} histories, last 20 events": lambda: reader.history(profiles, at, (), 20),
        "1 vector": lambda: reader.features(TASTE.name, one, noon),
        "1 history": lambda: reader.history(one, noon),
        f"{VIDEOS} videos, {len(NAMES)} attributes": lambda: reader.catalogue(noon, NAMES),
        f"{VIDEOS} videos, 5 features": lambda: reader.catalogue_features(
            POPULARITY.name, noon
        ),
        f"{VIDEOS} videos, {len(COUNTRIES)} countries": lambda: reader.availability(noon),
    }
    print(f"\nread {title}, milliseconds")
    for name, ask in questions.items():
        print(f"  {name:48} {median_milliseconds(ask):>12.2f}")


def median_milliseconds(ask: Callable[[], object]) -> float:
    """Return the median of some repetitions, after one to warm up."""
    ask()
    taken = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


if __name__ == "__main__":
    main(sys.argv[1:])
