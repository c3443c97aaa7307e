"""Expands configured rows into the rows that a batch of pages may show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.moments import EARLIEST_MICROS, parse_moment
from services.assembler.rows.candidates import GivenRows, given_sources
from services.assembler.rows.selection import BY_SCORE, GREEDY, TEMPLATE, SelectionRules
from services.page.configuration import (
    FAMILY_SEPARATOR,
    PageConfiguration,
    RowTemplate,
    SelectionPolicy,
    family_of,
)
from services.page.model import RowDefinition, RowType, SeenPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.arrays import BoolArray, Int64Array

_POLICIES = {
    SelectionPolicy.TEMPLATE: TEMPLATE,
    SelectionPolicy.BY_SCORE: BY_SCORE,
    SelectionPolicy.GREEDY: GREEDY,
}
_NO_MAXIMUM = 2**31
_COUNTRY = "{country}"
_NEVER = np.iinfo(np.int64).max
_KEPT_LAYOUTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class PageLayout:
    """Hold the rows that pages may show, in the order of the template.

    Args:
        rows: The rows; their titles may still hold {country} and {title}.
        given: Which of them get candidates that depend on the profile.
        rules: How rows are selected.
        names_country: bool[rows], whether its title holds {country}.
        since: int64[rows], microseconds, the first moment of a page that may have the row.
        until: int64[rows], likewise the first moment after.
    """

    rows: tuple[RowDefinition, ...]
    given: GivenRows
    rules: SelectionRules
    names_country: BoolArray
    since: Int64Array
    until: Int64Array

    @property
    def shows_seen(self) -> bool:
        """Return whether some row shows videos that the profile has seen."""
        return bool(self.given.allows_seen.any())

    def shown_at(self, moments: Int64Array) -> BoolArray:
        """Return which rows pages of these moments may have: bool[moments, rows]."""
        at = moments[:, np.newaxis]
        shown: BoolArray = (self.since <= at) & (at < self.until)
        return shown

    @property
    def maximum_seeds(self) -> int:
        """Return how many seeds the rows follow."""
        return int(self.given.slots.max(initial=-1)) + 1


class LayoutCache:
    """Keep the layouts used last; few configurations and genre lists occur at a time."""

    def __init__(self) -> None:
        self._kept: list[tuple[PageConfiguration, tuple[str, ...], PageLayout]] = []

    def lay_out(self, configuration: PageConfiguration, genres: tuple[str, ...]) -> PageLayout:
        """Return the layout of a configuration over a catalogue with the given genres."""
        for known, known_genres, layout in self._kept:
            if known is configuration and known_genres == genres:
                return layout
        layout = lay_out(configuration, genres)
        self._kept = [(configuration, genres, layout), *self._kept[: _KEPT_LAYOUTS - 1]]
        return layout


def lay_out(configuration: PageConfiguration, genres: Sequence[str]) -> PageLayout:
    """Return the layout of a configuration over a catalogue with the given genres.

    Rows stand where the template names them or what they were unfolded from; those that it
    does not name come after, by id.
    """
    template = configuration.row_selection.template
    places = {row_id: place for place, row_id in enumerate(template)}
    unnamed = sorted(set(configuration.rows) - set(template))
    places.update({row_id: len(template) + place for place, row_id in enumerate(unnamed)})
    unfolded = [
        (places.get(row.row_id, places[family]), slot, configuration.rows[family], row)
        for family in sorted(configuration.rows)
        for slot, row in _unfold(family, configuration.rows[family], genres)
    ]
    unfolded.sort(key=lambda entry: entry[0])
    rows = tuple(row for _, _, _, row in unfolded)
    templates = [row_template for _, _, row_template, _ in unfolded]
    return PageLayout(
        rows=rows,
        given=GivenRows(
            sources=given_sources(rows),
            slots=np.array([slot for _, slot, _, _ in unfolded], np.int64),
            allows_seen=np.array(
                [row.seen is not SeenPolicy.EXCLUDE for row in rows], np.bool_
            ),
            maximum_alike=np.array([row.candidates or 0 for row in templates], np.int64),
        ),
        rules=_rules(configuration, rows, [place for place, _, _, _ in unfolded]),
        names_country=np.array([_COUNTRY in row.title for row in rows], np.bool_),
        since=_moments([row.since for row in templates], EARLIEST_MICROS),
        until=_moments([row.until for row in templates], _NEVER),
    )


def _moments(texts: Sequence[str | None], otherwise: int) -> Int64Array:
    return np.array(
        [otherwise if text is None else parse_moment(text, field="rows") for text in texts],
        np.int64,
    )


def _unfold(
    family: str, template: RowTemplate, genres: Sequence[str]
) -> Iterator[tuple[int, RowDefinition]]:
    if template.type is RowType.GENRE:
        for genre in genres if template.genres is None else template.genres:
            yield -1, _define(f"{family}{FAMILY_SEPARATOR}{genre}", template, genre)
    elif template.type is RowType.BECAUSE_YOU_WATCHED:
        for slot in range(template.seeds or 0):
            yield slot, _define(f"{family}{FAMILY_SEPARATOR}{slot + 1}", template)
    else:
        yield -1, _define(family, template)


def _define(row_id: str, template: RowTemplate, genre: str = "") -> RowDefinition:
    return RowDefinition(
        row_id=row_id,
        type=template.type,
        title=template.title,
        ordering=template.ordering,
        prior=template.prior,
        genre=genre,
        video_ids=template.videos or (),
        seen=template.seen,
    )


def _rules(
    configuration: PageConfiguration, rows: Sequence[RowDefinition], places: Sequence[int]
) -> SelectionRules:
    selection = configuration.row_selection
    maximum = np.full(max(RowType) + 1, _NO_MAXIMUM, np.int64)
    for row_type in RowType:
        limit = selection.maximum_of(row_type)
        if limit is not None:
            maximum[row_type] = limit
    pins = [
        selection.pins.get(row.row_id, selection.pins.get(family_of(row.row_id), -1)) + 1
        for row in rows
    ]
    return SelectionRules(
        policy=_POLICIES[selection.policy],
        places=np.array(places, np.int64),
        types=np.array([row.type for row in rows], np.int64),
        maximum_per_type=maximum,
        pins=np.array(pins, np.int64),
        overlap_weight=np.float32(selection.diversity.overlap_weight),
        genre_weight=np.float32(selection.diversity.genre_weight),
        genre_saturation=selection.diversity.genre_saturation,
        leading=selection.diversity.leading,
    )
