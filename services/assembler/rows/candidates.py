"""Candidates that the assembler gives to ranking: those that depend on the profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.kernel import kernel
from services.page.model import RowType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import BoolArray, Float32Array, Int32Array, Int64Array, UInt8Array
    from services.assembler.rows.personal import PersonalCandidates
    from services.page.model import RowDefinition


NOT_GIVEN, IN_PROGRESS, LISTED, ALIKE = 0, 1, 2, 3
"""Where the given candidates of a row come from."""

_LIKENESS_STEPS = 1000
_YEAR_STEPS = 256

_SOURCES = {
    RowType.CONTINUE_WATCHING: IN_PROGRESS,
    RowType.MY_LIST: LISTED,
    RowType.BECAUSE_YOU_WATCHED: ALIKE,
}


class Showable(NamedTuple):
    """Say what each page may show.

    bitmaps: uint8[pages, ceil(videos / 8)], eligible videos, least significant bit first.
    seen_starts: int64[pages + 1] into seen.
    seen: int32, videos left out only because they were seen, ascending within a page.
    """

    bitmaps: UInt8Array
    seen_starts: Int64Array
    seen: Int32Array


class GivenRows(NamedTuple):
    """Say which rows get candidates.

    sources: int64[rows], NOT_GIVEN, IN_PROGRESS, LISTED or ALIKE.
    slots: int64[rows], which seed an ALIKE row follows.
    allows_seen: bool[rows].
    maximum_alike: int64[rows].
    """

    sources: Int64Array
    slots: Int64Array
    allows_seen: BoolArray
    maximum_alike: Int64Array


class Contents(NamedTuple):
    """Hold the content of each video, and content vectors sparsely.

    numbers: int32[videos], number of each video's content.
    years: int64[videos]; -1 where not known.
    offsets: int32[contents + 1] into fields.
    fields: int32[entries], fields of each content.
    values: float32[contents], common value of a content's fields.
    size: Fields of the content space.
    """

    numbers: Int32Array
    years: Int64Array
    offsets: Int32Array
    fields: Int32Array
    values: Float32Array
    size: int


class Nearest(NamedTuple):
    """Hold the videos nearest to some seeds, whether a page may show them or not.

    places: int32[videos], where each seed stands below; -1 where nothing is kept.
    videos: int32[seeds, kept], in the order of `find_alike`.
    sizes: int64[seeds], how many there are; fewer than kept are all that are alike.
    """

    places: Int32Array
    videos: Int32Array
    sizes: Int64Array


@kernel
def is_set(bitmap: UInt8Array, position: int) -> bool:
    """Return one bit of a bitmap, least significant bit first."""
    return bool((bitmap[position >> 3] >> (position & 7)) & 1)


@kernel
def likeness_steps(contents: Contents, seed: int) -> Int32Array:
    """Return how far each content is from a seed's, in thousandths of the cosine.

    0 means the same direction; a content that shares no field is one step beyond the last.
    """
    own = contents.numbers[seed]
    vector = np.zeros(contents.size, np.float32)
    for entry in range(contents.offsets[own], contents.offsets[own + 1]):
        vector[contents.fields[entry]] = contents.values[own]
    steps = np.full(len(contents.values), _LIKENESS_STEPS + 1, np.int32)
    for content in range(len(steps)):
        total = np.float32(0)
        for entry in range(contents.offsets[content], contents.offsets[content + 1]):
            total += vector[contents.fields[entry]]
        if total > 0:
            cosine = min(total * contents.values[content], np.float32(1))
            steps[content] = _LIKENESS_STEPS - int(
                np.round(cosine * np.float32(_LIKENESS_STEPS))
            )
    return steps


@kernel
def years_apart(contents: Contents, seed: int, video: int) -> int:
    """Return the years between two videos, up to a bound; the bound where one is not known."""
    if contents.years[seed] < 0 or contents.years[video] < 0:
        return _YEAR_STEPS - 1
    apart = abs(contents.years[seed] - contents.years[video])
    return int(min(apart, _YEAR_STEPS - 1))


@kernel
def first_enough(histogram: Int64Array, wanted: int) -> int:
    """Return the first bucket up to which there are enough, or the last."""
    total = 0
    for bucket in range(len(histogram)):
        total += histogram[bucket]
        if total >= wanted:
            return bucket
    return len(histogram) - 1


@kernel
def find_alike(
    contents: Contents, bitmap: UInt8Array, seed: int, maximum: int, found: Int32Array
) -> int:
    """Write the eligible videos most alike to a seed; return how many.

    Args:
        contents: Of the catalogue.
        bitmap: uint8[ceil(videos / 8)], eligible videos, least significant bit first.
        seed: Catalogue position; it is not alike to itself.
        maximum: Videos to find at most.
        found: int32[>= maximum], written: nearest in content first, then in years, then by
            ascending position.
    """
    steps = likeness_steps(contents, seed)
    videos = len(contents.numbers)
    near = np.empty(videos, np.int32)
    by_step = np.zeros(_LIKENESS_STEPS + 1, np.int64)
    size = 0
    for video in range(videos):
        step = steps[contents.numbers[video]]
        if step <= _LIKENESS_STEPS and video != seed and is_set(bitmap, video):
            near[size] = video
            by_step[step] += 1
            size += 1
    # Only what can be among the nearest is sorted: up to a step, and in it up to a year.
    last_step = first_enough(by_step, maximum)
    by_year = np.zeros(_YEAR_STEPS, np.int64)
    for index in range(size):
        if steps[contents.numbers[near[index]]] == last_step:
            by_year[years_apart(contents, seed, near[index])] += 1
    last_year = first_enough(by_year, maximum - by_step[:last_step].sum())
    keys = np.empty(size, np.int64)
    count = 0
    for index in range(size):
        video = near[index]
        step, apart = steps[contents.numbers[video]], years_apart(contents, seed, video)
        if step < last_step or (step == last_step and apart <= last_year):
            keys[count] = (step * _YEAR_STEPS + apart) * videos + video
            count += 1
    keys[:count].sort()
    count = min(count, maximum)
    for index in range(count):
        found[index] = keys[index] % videos
    return count


@kernel
def find_nearest(
    contents: Contents, seeds: Int32Array, videos: Int32Array, sizes: Int64Array
) -> None:
    """Write the videos nearest to each seed, eligible or not, and how many.

    Args:
        contents: Of the catalogue.
        seeds: int32[seeds], catalogue positions.
        videos: int32[>= seeds, kept], written: as many as are kept of each.
        sizes: int64[>= seeds], written.
    """
    everything = np.full((len(contents.numbers) + 7) // 8, 0xFF, np.uint8)
    for index in range(len(seeds)):
        sizes[index] = find_alike(
            contents, everything, seeds[index], videos.shape[1], videos[index]
        )


@kernel
def pick_alike(
    contents: Contents,
    nearest: Nearest,
    bitmap: UInt8Array,
    seed: int,
    maximum: int,
    found: Int32Array,
) -> int:
    """Do what `find_alike` does, from what is kept of the seed where that is enough."""
    place = nearest.places[seed]
    if place < 0:
        return find_alike(contents, bitmap, seed, maximum, found)
    count = 0
    for index in range(nearest.sizes[place]):
        if count == maximum:
            break
        video = nearest.videos[place, index]
        if is_set(bitmap, video):
            found[count] = video
            count += 1
    if count < maximum and nearest.sizes[place] == nearest.videos.shape[1]:
        return find_alike(contents, bitmap, seed, maximum, found)
    return count


def given_sources(rows: Sequence[RowDefinition]) -> Int64Array:
    """Return where the given candidates of each row come from: int64[rows]."""
    return np.array([_SOURCES.get(row.type, NOT_GIVEN) for row in rows], np.int64)


@kernel
def may_show(showable: Showable, page: int, video: int, allows_seen: bool) -> bool:  # noqa: FBT001 - a kernel
    """Return whether a page may show a video."""
    if is_set(showable.bitmaps[page], video):
        return True
    if allows_seen:
        for index in range(showable.seen_starts[page], showable.seen_starts[page + 1]):
            if showable.seen[index] == video:
                return True
    return False


@kernel
def showable_bitmap(showable: Showable, page: int, allows_seen: bool) -> UInt8Array:  # noqa: FBT001 - a kernel
    """Return what a page may show as a bitmap; not to be written."""
    bitmap: UInt8Array = showable.bitmaps[page]
    if not allows_seen:
        return bitmap
    bitmap = bitmap.copy()
    for index in range(showable.seen_starts[page], showable.seen_starts[page + 1]):
        video = showable.seen[index]
        bitmap[video >> 3] |= np.uint8(1 << (video & 7))
    return bitmap


@kernel
def count_room(personal: PersonalCandidates, rows: GivenRows, pages: int) -> int:
    """Return how many candidates there may be at most."""
    room = 0
    for row in range(len(rows.sources)):
        if rows.sources[row] == IN_PROGRESS:
            room += len(personal.in_progress)
        elif rows.sources[row] == LISTED:
            room += len(personal.listed)
        elif rows.sources[row] == ALIKE:
            room += pages * rows.maximum_alike[row]
    return room


@kernel
def copy_showable(
    positions: Int32Array,
    showable: Showable,
    page: int,
    allows_seen: bool,  # noqa: FBT001 - kernels take no keywords
    given: Int32Array,
) -> int:
    """Write the positions that a page may show, in their order; return how many."""
    size = 0
    for position in positions:
        if may_show(showable, page, position, allows_seen):
            given[size] = position
            size += 1
    return size


@kernel
def give_candidates(
    personal: PersonalCandidates,
    showable: Showable,
    rows: GivenRows,
    contents: Contents,
    nearest: Nearest,
    counts: Int64Array,
) -> Int32Array:
    """Return the given candidates of each page and row, page-major.

    Args:
        personal: Lists of each page's profile.
        showable: What each page may show.
        rows: Which rows get candidates.
        contents: Of the catalogue.
        nearest: What is kept of seeds.
        counts: int64[pages, rows], written.
    """
    pages = len(showable.bitmaps)
    given = np.empty(count_room(personal, rows, pages), np.int32)
    size = 0
    for page in range(pages):
        playing = personal.in_progress[
            personal.in_progress_starts[page] : personal.in_progress_starts[page + 1]
        ]
        listed = personal.listed[
            personal.listed_starts[page] : personal.listed_starts[page + 1]
        ]
        seeds = personal.seeds[personal.seeds_starts[page] : personal.seeds_starts[page + 1]]
        for row in range(len(rows.sources)):
            source, allows_seen = rows.sources[row], rows.allows_seen[row]
            found = 0
            if source == IN_PROGRESS:
                found = copy_showable(playing, showable, page, allows_seen, given[size:])
            elif source == LISTED:
                found = copy_showable(listed, showable, page, allows_seen, given[size:])
            elif source == ALIKE and rows.slots[row] < len(seeds):
                found = pick_alike(
                    contents,
                    nearest,
                    showable_bitmap(showable, page, allows_seen),
                    seeds[rows.slots[row]],
                    rows.maximum_alike[row],
                    given[size:],
                )
            counts[page, row] = found
            size += found
    return given[:size]
