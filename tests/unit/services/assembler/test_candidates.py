"""Candidates that depend on the profile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assembler.rows import nearest
from services.assembler.rows.candidates import Contents, find_alike, pick_alike
from services.assembler.rows.personal import Events, read_events
from services.shared_facts.content import content_entries, content_fields
from timetravel.facts.model import EventKind

if TYPE_CHECKING:
    from core.arrays import UInt8Array

Catalogue: TypeAlias = list[tuple[tuple[str, ...], int | None, bool]]
"""Genres, year, and whether a page may show it, of each video."""

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


def make_contents(catalogue: Catalogue) -> tuple[Contents, UInt8Array]:
    """Return the contents of a catalogue, and what of it is eligible."""
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
    return contents, bitmap


@settings(deadline=None)
@given(CATALOGUES, st.integers(0, 29), st.integers(1, 8))
def test_alike_titles_share_most_then_lie_near_in_time(
    catalogue: Catalogue, seed: int, maximum: int
) -> None:
    seed %= len(catalogue)
    genres = [own for own, _, _ in catalogue]
    years = [year for _, year, _ in catalogue]
    contents, bitmap = make_contents(catalogue)
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


@settings(deadline=None)
@given(
    CATALOGUES,
    st.lists(st.lists(st.integers(0, 29), min_size=1, max_size=4), min_size=1, max_size=4),
    st.integers(1, 8),
    st.integers(1, 12),
    st.integers(1, 6),
)
def test_what_is_kept_of_seeds_changes_no_page(
    catalogue: Catalogue,
    batches: list[list[int]],
    maximum: int,
    kept_videos: int,
    kept_seeds: int,
) -> None:
    contents, bitmap = make_contents(catalogue)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nearest, "KEPT_VIDEOS", kept_videos)
        patched.setattr(nearest, "KEPT_SEEDS", kept_seeds)
        kept = nearest.NearestVideos(contents)
        for batch in batches:
            seeds = np.array(batch, np.int32) % len(catalogue)
            known = kept.of(seeds)
            assert (known.places >= 0).sum() <= kept_seeds
            for seed in seeds.tolist():
                found, expected = np.empty((2, maximum), np.int32)
                size = pick_alike(contents, known, bitmap, seed, maximum, found)
                assert size == find_alike(contents, bitmap, seed, maximum, expected)
                assert found[:size].tolist() == expected[:size].tolist()


def test_threads_that_ask_at_once_are_told_the_same() -> None:
    random = np.random.default_rng(3)
    catalogue: Catalogue = [
        (("A",), int(random.integers(1960, 2020)), True) for _ in range(400)
    ]
    contents, bitmap = make_contents(catalogue)
    kept = nearest.NearestVideos(contents)

    def ask(first: int) -> list[list[int]]:
        picked = []
        for start in range(first, 400, 7):
            seeds = np.arange(start, min(start + 40, 400), dtype=np.int32)
            known = kept.of(seeds)
            for seed in seeds[::13].tolist():
                found = np.empty(20, np.int32)
                size = pick_alike(contents, known, bitmap, seed, 20, found)
                picked.append([seed, *found[:size].tolist()])
        return picked

    with ThreadPoolExecutor(8) as executor:
        for picked in executor.map(ask, range(8)):
            for seed, *videos in picked:
                found = np.empty(20, np.int32)
                size = find_alike(contents, bitmap, seed, 20, found)
                assert videos == found[:size].tolist()
