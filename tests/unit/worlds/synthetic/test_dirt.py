"""Dirt on purpose: there in its documented shares, and nowhere else."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq
import pytest

from timetravel.facts.model import AttributeFact, AvailabilityFact, EventFact, EventKind, Op
from worlds.directory import open_world
from worlds.draws import Draws
from worlds.durations import DAY_MICROS, HOUR_MICROS, MINUTE_MICROS
from worlds.synthetic import SyntheticPlan, generate_world
from worlds.synthetic.dirt import soil_events, soil_licences
from worlds.synthetic.events import Event

if TYPE_CHECKING:
    from pathlib import Path

COUNT: Final = 40_000
FOREVER: Final = 2**62

Told = dict[str, list[Event]]


def clean_event(number: int, kind: EventKind = EventKind.PLAY) -> Event:
    at = number * MINUTE_MICROS
    return Event(f"{kind.name}:{number}", 1, at, kind, 1, 0.5, at + MINUTE_MICROS)


@pytest.fixture(scope="module")
def clean() -> list[Event]:
    return [clean_event(number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def told(clean: list[Event]) -> Told:
    """What the service is told of each event, in order."""
    told: Told = defaultdict(list)
    for event in soil_events(Draws(1), clean, FOREVER):
        told[event.event_id].append(event)
    return told


def delays(clean: list[Event], told: Told) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How much later than usual each event is first known."""
    return np.array([told[one.event_id][0].known_at - one.known_at for one in clean], np.int64)


def assert_share(found: int, share: float) -> None:
    """Check for a share of COUNT, within four standard deviations."""
    deviation = (COUNT * share * (1 - share)) ** 0.5
    assert abs(found - COUNT * share) < 4 * deviation


def test_a_twentieth_is_late_by_an_hour_to_three_days(clean: list[Event], told: Told) -> None:
    late = delays(clean, told)
    late = late[late > 0]
    assert_share(len(late), 0.05)
    assert late.min() >= HOUR_MICROS
    assert late.max() <= 3 * DAY_MICROS
    # Spread over orders of magnitude, so half come within the geometric mean: 8.5 hours.
    assert 0.4 < np.mean(late < 8.5 * HOUR_MICROS) < 0.6


def test_three_in_a_hundred_come_again_as_they_are(told: Told) -> None:
    again = 0
    for versions in told.values():
        asserted = [(one.value, one.op) for one in versions if one.op is Op.ASSERT]
        again += len(asserted) > len(set(asserted))
    assert_share(again, 0.03)


def test_two_in_a_hundred_are_wrong_at_first_and_right_in_the_end(
    clean: list[Event], told: Told
) -> None:
    wrong = 0
    for event in clean:
        asserted = [one for one in told[event.event_id] if one.op is Op.ASSERT]
        wrong += asserted[0].value != event.value
        assert asserted[-1].value == event.value
    assert_share(wrong, 0.02)


def test_one_in_a_hundred_is_taken_back(told: Told) -> None:
    retracted = [versions[-1].op is Op.RETRACT for versions in told.values()]
    assert_share(sum(retracted), 0.01)
    assert all(one.op is Op.ASSERT for versions in told.values() for one in versions[:-1])


def test_nothing_else_of_an_event_is_touched(clean: list[Event], told: Told) -> None:
    for event in clean:
        for one in told[event.event_id]:
            assert (one.profile_id, one.video_id, one.kind, one.event_at) == (
                (event.profile_id, event.video_id, event.kind, event.event_at)
            )
            assert one.known_at >= event.known_at


def test_facts_come_in_the_order_in_which_they_are_known(clean: list[Event]) -> None:
    known = [one.known_at for one in soil_events(Draws(1), clean, FOREVER)]
    assert known == sorted(known)


def test_what_would_be_known_after_the_end_never_is(clean: list[Event]) -> None:
    end = clean[COUNT // 2].known_at
    facts = soil_events(Draws(1), clean, end)
    assert facts
    assert all(fact.known_at < end for fact in facts)


def test_only_what_has_a_value_of_its_own_is_told_wrong() -> None:
    kinds = (EventKind.THUMB, EventKind.LIST)
    clean = [clean_event(number, kinds[number % 2]) for number in range(2_000)]
    assert {one.value for one in soil_events(Draws(1), clean, FOREVER)} == {0.5}


def test_wrong_stars_are_stars() -> None:
    clean = [clean_event(number, EventKind.RATING) for number in range(2_000)]
    assert {one.value for one in soil_events(Draws(1), clean, FOREVER)} == {0.5, 5.0}


def test_licences_are_soiled_in_their_shares_and_within_their_days() -> None:
    dirt = soil_licences(Draws(1), COUNT)
    for days, share, low, high in (
        (dirt.late_end_days, 0.03, 5, 30),
        (dirt.fixed_after_days, 0.03, 2, 5),
        (dirt.bogus_until_days, 0.01, 1, 5),
    ):
        soiled = days[days > 0]
        assert_share(len(soiled), share)
        assert (soiled.min(), soiled.max()) == (low, high)
    assert np.array_equal(dirt.late_end_days > 0, dirt.fixed_after_days > 0)


def test_a_generated_world_holds_every_kind_of_dirt_and_the_truth_holds_none(
    tmp_path: Path,
) -> None:
    plan = SyntheticPlan(profiles=40, videos=200, days=20, seed=3)
    generate_world(plan, tmp_path / "world")
    world = open_world(tmp_path / "world")
    truth = pq.read_table(world.path / "truth" / "events.parquet").to_pylist()
    value_of = {one["event_id"]: one["value"] for one in truth}
    assert len(value_of) == len(truth)
    events: dict[str, list[EventFact]] = defaultdict(list)
    windows: dict[str, list[AvailabilityFact]] = defaultdict(list)
    maturities: dict[int, list[AttributeFact]] = defaultdict(list)
    for fact, *_ in world.timeline.facts():
        if isinstance(fact, EventFact):
            events[fact.event_id].append(fact)
        elif isinstance(fact, AvailabilityFact):
            windows[fact.window_id].append(fact)
        elif isinstance(fact, AttributeFact) and fact.name == "maturity":
            maturities[fact.entity_id].append(fact)
    assert events.keys() <= value_of.keys()
    told = [(value_of[name], facts) for name, facts in events.items()]
    assert any(facts[0].known_at - facts[0].event_at > 3 * HOUR_MICROS for _, facts in told)
    assert any(facts[0].value != value for value, facts in told)
    assert any(facts[-1].op is Op.RETRACT for _, facts in told)
    assert any(len({one.value for one in facts}) < len(facts) for _, facts in told)
    assert any(len({one.valid_to for one in facts}) == 2 for facts in windows.values())
    assert any(name.endswith(":bogus") for name in windows)
    assert any(len(facts) == 2 for facts in maturities.values())
