"""Eligibility against the rules in plain Python."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.moments import EARLIEST_MICROS
from services.errors import UnknownProfile, UnreadableProfile
from services.filtering.catalogue import CATALOGUE_ATTRIBUTES
from services.filtering.stage import FilteringStage
from services.page.model import PageRequests
from services.shared_facts.facts import SharedFacts
from tests.support.effort import effort
from tests.support.pages.page_worlds import END, GENRES, PageWorld, make_world
from tests.support.strategies import page_requests, page_worlds
from timetravel.facts.model import AttributeFact, EntityKind, EventKind, Op

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue


def stage_over(world: PageWorld, seen: str = "exclude") -> FilteringStage:
    overlay = {"filtering": {"seen": seen}}
    facts = SharedFacts(
        world.reader(), attributes=CATALOGUE_ATTRIBUTES, configuration_overlay=overlay
    )
    return FilteringStage(facts)


@settings(deadline=None, max_examples=effort(10, 40))
@given(st.data())
def test_a_video_is_eligible_when_licensed_suited_present_and_not_seen(
    data: st.DataObject,
) -> None:
    world = data.draw(page_worlds())
    requests = data.draw(page_requests(world))
    eligibility = stage_over(world).filter(requests)
    bits = np.unpackbits(eligibility.bitmaps, axis=1, bitorder="little").astype(np.bool_)
    reader = world.reader()
    listing = reader.catalogue(END, ("maturity",)).video_ids
    starts = eligibility.seen_starts
    for index, (profile_id, at) in enumerate(
        zip(requests.profile_ids.tolist(), requests.as_of_micros.tolist(), strict=True)
    ):
        own = reader.attributes(
            EntityKind.PROFILE, [profile_id], at, ("country", "maturity_limit")
        ).columns
        maturity = reader.catalogue(at, ("maturity",)).columns["maturity"]
        licences = reader.availability(at)
        allowed, seen = set(), set()
        for place, age in enumerate(maturity):
            country = own["country"][0]
            if age is None or country not in licences.countries:
                continue
            licensed = licences.available[licences.countries.index(str(country)), place]
            if licensed and age <= own["maturity_limit"][0]:  # type: ignore[operator]  # ages
                allowed.add(place)
        events = reader.history([profile_id], at)
        for video_id, kind, value in zip(
            events.video_ids, events.kinds, events.values, strict=True
        ):
            if kind == EventKind.RATING or (kind == EventKind.PLAY and value >= 0.9):
                seen.add(int(np.searchsorted(listing, video_id)))
        assert set(np.flatnonzero(bits[index]).tolist()) == allowed - seen
        left_out = eligibility.seen_positions[starts[index] : starts[index + 1]].tolist()
        assert left_out == sorted(allowed & seen)


def test_seen_titles_stay_where_the_configuration_allows_them() -> None:
    world = make_world(5)
    requests = PageRequests.of([(profile_id, END, "") for profile_id in world.profile_ids])
    strict, lenient = stage_over(world), stage_over(world, "allow")
    without, with_seen = strict.filter(requests), lenient.filter(requests)
    assert int(without.seen_counts.sum()) > 0
    assert int(with_seen.seen_counts.sum()) == 0
    assert (without.bitmaps & ~with_seen.bitmaps == 0).all()
    assert (without.bitmaps != with_seen.bitmaps).any()


def test_what_is_not_known_of_ages_is_taken_strictly() -> None:
    world = make_world(5)
    stranger = 4711
    facts = [AttributeFact(EntityKind.PROFILE, stranger, "country", END - 1, END - 1, "US")]
    eligibility = stage_over(world.extended(facts)).filter(
        PageRequests.of([(stranger, END, "")])
    )
    bits = np.unpackbits(eligibility.bitmaps[0], bitorder="little").astype(np.bool_)
    ages = world.reader().catalogue(END, ("maturity",)).columns["maturity"]
    assert {ages[place] for place in np.flatnonzero(bits).tolist()} == {0}


@settings(deadline=None, max_examples=effort(10, 30))
@given(st.data())
def test_withdrawn_blocked_and_unplayable_videos_are_not_eligible(data: st.DataObject) -> None:
    world = data.draw(page_worlds())
    listing = world.reader().catalogue(END, ("genres",))
    video_ids = listing.video_ids.tolist()
    some = st.lists(st.sampled_from(video_ids), unique=True, max_size=8)
    withdrawn, blocked = set(data.draw(some)), data.draw(some)
    genre = data.draw(st.sampled_from((*GENRES, "Unheard of")))
    needs = {
        video: data.draw(st.sampled_from((["hdr"], ["hdr", "4k"], [])))
        for video in data.draw(some)
    }
    profile_id = data.draw(st.sampled_from(world.profile_ids))
    facts = [
        *(said_of_video(video, "withdrawn", value=True) for video in sorted(withdrawn)),
        *(
            said_of_video(video, "requires", value=list(needed))
            for video, needed in needs.items()
        ),
        said_of_profile(profile_id, "blocked_videos", [*blocked, 999_999]),
        said_of_profile(profile_id, "blocked_genres", [genre]),
    ]
    capabilities = {"tv": ["hdr", "4k"], "phone": ["hdr"]}
    overlay: dict[str, JsonValue] = {"filtering": {"device_capabilities": dict(capabilities)}}
    for device in ("tv", "phone", "car"):
        requests = PageRequests.of([(profile_id, END, device)])
        before = eligible(world, requests, None)
        after = eligible(world.extended(facts), requests, overlay)
        gone = {
            video
            for video, genres in zip(video_ids, listing.columns["genres"], strict=True)
            if video in withdrawn
            or video in blocked
            or genre in (genres or ())  # type: ignore[operator]  # a list of texts
            or not set(needs.get(video, ())) <= set(capabilities.get(device, ()))
        }
        assert after == before - gone


@pytest.mark.parametrize(
    ("name", "value", "is_shown"),
    [
        ("withdrawn", "true", False),
        ("withdrawn", "false", True),
        ("withdrawn", 0, True),
        ("withdrawn", "perhaps", False),
        ("withdrawn", [], False),
        ("withdrawn", {}, False),
        ("maturity", 0.0, True),
        ("maturity", "0", True),
        ("maturity", "PG", False),
        ("maturity", -1, False),
        ("maturity", ["0"], False),
        ("maturity", True, False),
    ],
)
def test_a_video_whose_protection_cannot_be_read_is_not_shown(
    name: str, value: JsonValue, *, is_shown: bool
) -> None:
    world = make_world(5)
    requests = PageRequests.of([(profile_id, END, "") for profile_id in world.profile_ids])
    listing = world.reader().catalogue(END, ("maturity",)).video_ids.tolist()
    suits_all = [said_of_video(video, "maturity", 0) for video in listing]
    for_all = world.extended(suits_all)
    shown = eligible(for_all, requests, None)
    video = min(shown)
    later = said_of_video(video, name, value)
    after = eligible(for_all.extended([replace(later, known_at=END)]), requests, None)
    assert after == (shown if is_shown else shown - {video})


@pytest.mark.parametrize("value", ["PG", -1, True, [13], {"age": 13}, 1e300, "thirteen"])
def test_a_limit_that_cannot_be_read_is_for_all_ages(value: JsonValue) -> None:
    world = make_world(5)
    profile_id = world.profile_ids[0]
    requests = PageRequests.of([(profile_id, END, "")])
    limited, unreadable = (
        world.extended([said_of_profile(profile_id, "maturity_limit", limit)])
        for limit in (0, value)
    )
    assert eligible(unreadable, requests, None) == eligible(limited, requests, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("blocked_genres", 7),
        ("blocked_genres", {"Drama": True}),
        ("blocked_genres", ["Drama", 7]),
        ("blocked_genres", "Drama|War"),
        ("blocked_genres", True),
        ("blocked_videos", "603 and 604"),
        ("blocked_videos", [1.5]),
        ("blocked_videos", ["x"]),
        ("blocked_videos", {"603": 1}),
        ("blocked_videos", False),
    ],
)
def test_a_profile_whose_blocks_cannot_be_read_has_no_page(name: str, value: JsonValue) -> None:
    world = make_world(5)
    profile_id = world.profile_ids[0]
    extended = world.extended([said_of_profile(profile_id, name, value)])
    with pytest.raises(UnreadableProfile, match=f"{name} is not a list"):
        stage_over(extended).filter(PageRequests.of([(profile_id, END, "")]))


def test_a_text_for_a_list_blocks_what_it_names() -> None:
    world = make_world(5)
    profile_id = world.profile_ids[0]
    requests = PageRequests.of([(profile_id, END, "")])
    as_text, as_list = (
        world.extended([said_of_profile(profile_id, "blocked_genres", value)])
        for value in ("Drama", ["Drama"])
    )
    assert eligible(as_text, requests, None) == eligible(as_list, requests, None)
    assert eligible(as_text, requests, None) != eligible(world, requests, None)


def test_what_a_profile_blocks_is_blocked_for_it_alone_and_until_it_is_not() -> None:
    world = make_world(5)
    first, second = world.profile_ids[:2]
    drama = said_of_profile(first, "blocked_genres", ["Drama"])
    lifted = AttributeFact(
        *(EntityKind.PROFILE, first, "blocked_genres", END - 5, END - 5, None, Op.ABSENT)
    )
    blocking = world.extended([drama])
    for profile_id, changed in ((first, True), (second, False)):
        requests = PageRequests.of([(profile_id, END, "tv")])
        assert (eligible(world, requests) != eligible(blocking, requests)) is changed
    requests = PageRequests.of([(first, END, "tv")])
    assert eligible(blocking.extended([lifted]), requests) == eligible(world, requests)


def said_of_video(video: int, name: str, value: JsonValue) -> AttributeFact:
    return AttributeFact(EntityKind.VIDEO, video, name, END - 9, END - 9, value)


def said_of_profile(profile_id: int, name: str, value: JsonValue) -> AttributeFact:
    return AttributeFact(EntityKind.PROFILE, profile_id, name, END - 9, END - 9, value)


def eligible(
    world: PageWorld, requests: PageRequests, overlay: dict[str, JsonValue] | None = None
) -> set[int]:
    facts = SharedFacts(
        world.reader(), attributes=CATALOGUE_ATTRIBUTES, configuration_overlay=overlay
    )
    bits = np.unpackbits(FilteringStage(facts).filter(requests).bitmaps[0], bitorder="little")
    listing = world.reader().catalogue(END, ("genres",)).video_ids
    return set(listing[np.flatnonzero(bits[: len(listing)])].tolist())


def test_the_page_of_an_unknown_profile_is_named() -> None:
    with pytest.raises(UnknownProfile, match="Page 0 of the batch"):
        stage_over(make_world(5)).filter(PageRequests.of([(4711, END, "")]))


def test_lineage_is_the_newest_fact_that_was_read() -> None:
    world = make_world(5)
    later = [AttributeFact(EntityKind.PROFILE, 1000, "country", END - 9, END - 5, "US")]
    requests = PageRequests.of([(1000, END, ""), (1000, END - 6, "")])
    newest = stage_over(world.extended(later)).filter(requests).newest_known_at
    assert newest[0] == END - 5
    assert EARLIEST_MICROS < newest[1] < END - 5
