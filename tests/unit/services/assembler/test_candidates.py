"""Candidates that depend on the profile."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assembler.rows.candidates import Contents, find_alike
from services.assembler.rows.personal import Events, read_events
from services.shared_facts.content import content_entries, content_fields
from timetravel.facts.model import EventKind

PLAY, RATING, THUMB, LIST = EventKind.PLAY, EventKind.RATING, EventKind.THUMB, EventKind.LIST
NEWEST_FIRST: tuple[tuple[EventKind, int, float], ...] = (
    (PLAY, 4, 0.95),
    (LIST, 2, 1.0),
    (PLAY, 1, 0.4),
    (RATING, 5, 4.0),
    (THUMB, 6, -1.0),
    (PLAY, 6, 1.0),
    (PLAY, 4, 0.1),
    (LIST, 3, 0.0),
    (LIST, 3, 1.0),
    (PLAY, 3, 0.2),
    (THUMB, 0, 1.0),
    (RATING, 2, 3.5),
)


def events_of(*pages: tuple[tuple[EventKind, int, float], ...]) -> Events:
    flat = [event for page in pages for event in page]
    return Events(
        starts=np.cumsum([0, *(len(page) for page in pages)], dtype=np.int64),
        positions=np.array([event[1] for event in flat], np.int32),
        kinds=np.array([event[0] for event in flat], np.int64),
        values=np.array([event[2] for event in flat], np.float32),
    )


def test_the_newest_play_says_whether_a_title_is_in_progress() -> None:
    personal = read_events(events_of(NEWEST_FIRST), 8, 3)
    assert personal.in_progress.tolist() == [1, 3]


def test_the_newest_list_event_says_whether_a_title_is_listed() -> None:
    personal = read_events(events_of(NEWEST_FIRST), 8, 3)
    assert personal.listed.tolist() == [2]


def test_the_newest_opinions_give_the_seeds() -> None:
    personal = read_events(events_of(NEWEST_FIRST), 8, 3)
    assert personal.seeds.tolist() == [4, 5, 0]
    assert read_events(events_of(NEWEST_FIRST), 8, 1).seeds.tolist() == [4]


def test_profiles_do_not_mix_and_unlisted_videos_are_passed_over() -> None:
    other = ((PLAY, 1, 0.5), (PLAY, -1, 0.5))
    personal = read_events(events_of(NEWEST_FIRST, (), other), 8, 3)
    assert personal.in_progress.tolist() == [1, 3, 1]
    assert personal.in_progress_starts.tolist() == [0, 2, 2, 3]
    assert personal.seeds_starts.tolist() == [0, 3, 3, 3]


CATALOGUES = st.lists(
    st.tuples(
        st.lists(st.sampled_from("ABCD"), max_size=3, unique=True).map(tuple),
        st.none() | st.integers(1960, 2020),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(CATALOGUES, st.integers(0, 29), st.integers(1, 8))
def test_alike_titles_share_most_then_lie_near_in_time(
    catalogue: list[tuple[tuple[str, ...], int | None, bool]], seed: int, maximum: int
) -> None:
    seed %= len(catalogue)
    genres = [own for own, _, _ in catalogue]
    years = [year for _, year, _ in catalogue]
    fields = content_fields(genres, years)
    entries = content_entries(fields, genres, years)
    contents = Contents(
        numbers=np.arange(len(catalogue), dtype=np.int32),
        years=np.array([-1 if year is None else year for year in years], np.int64),
        offsets=entries.offsets,
        fields=entries.fields,
        values=entries.values,
        size=len(fields),
    )
    bitmap = np.packbits([eligible for _, _, eligible in catalogue], bitorder="little")
    found = np.empty(maximum, np.int32)
    size = find_alike(contents, bitmap, seed, maximum, found)

    def own_fields(video: int) -> set[str]:
        year = years[video]
        return {*genres[video], *(() if year is None else (str(year // 10),))}

    def key(video: int) -> tuple[float, int, int]:
        mine, theirs = own_fields(seed), own_fields(video)
        cosine = len(mine & theirs) / (len(mine) * len(theirs)) ** 0.5
        apart, near, far = 255, years[seed], years[video]
        if near is not None and far is not None:
            apart = abs(near - far)
        return (-round(cosine, 3), apart, video)

    alike = [
        video
        for video, (_, _, eligible) in enumerate(catalogue)
        if eligible and video != seed and own_fields(video) & own_fields(seed)
    ]
    assert found[:size].tolist() == sorted(alike, key=key)[:maximum]
