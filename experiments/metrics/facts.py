"""Facts that metrics need besides the pages: of the videos shown, and what was played next.

What a page holds is judged by what was visible at its as-of. What the member did after it is
read with all that has become known since, up to the snapshot of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from experiments.metrics.errors import InvalidMetricOptions
from services.page.inputs import ADDED_AT, GENRES, MATURITY, MATURITY_LIMIT, VIDEO_POPULARITY
from services.page.model import expand_ranges
from timetravel.facts.model import EntityKind, EventKind
from timetravel.reading.engagement import NO_PAGE, attribute_events

if TYPE_CHECKING:
    from core.arrays import BoolArray, Float64Array, Int64Array
    from timetravel.reading.reader import FactReader


PLAYS_FIELD = "events_365d"
PLAYED_KINDS = (EventKind.PLAY, EventKind.RATING)
"""A rating tells of a play too; MovieLens has nothing else."""
_HOUR_MICROS = 3_600_000_000


@dataclass(frozen=True, slots=True)
class EngagementWindow:
    """Say for how long a play belongs to the last page before it."""

    horizon_micros: int = 24 * _HOUR_MICROS

    def __post_init__(self) -> None:
        if self.horizon_micros <= 0:
            raise InvalidMetricOptions(
                f"An engagement horizon of {self.horizon_micros} microseconds is empty.",
                remedy="Give a positive time, e.g. 24 hours.",
                field="horizon_micros",
            )


def describe_videos(reader: FactReader, shown: pa.Table) -> pa.Table:
    """Return what was visible of the videos shown.

    Args:
        reader: As-of reader.
        shown: as_of_micros, video_id; distinct.

    Returns:
        as_of_micros, video_id, genres, plays, added_at_micros, maturity.
    """
    moments, video_ids = _column(shown, "as_of_micros"), _column(shown, "video_id")
    names = (ADDED_AT, GENRES, MATURITY)
    columns = reader.attributes(EntityKind.VIDEO, video_ids, moments, names).columns
    plays: Float64Array | None = None
    group = reader.feature_groups().get(VIDEO_POPULARITY)
    if group is not None and PLAYS_FIELD in group.fields:
        values = reader.features(VIDEO_POPULARITY, video_ids, moments).values
        plays = values[:, group.fields.index(PLAYS_FIELD)].astype(np.float64)
    return pa.table(
        {
            "as_of_micros": shown["as_of_micros"],
            "video_id": shown["video_id"],
            "genres": pa.array(columns[GENRES], pa.list_(pa.string())),
            # Without a value is not the same as NaN: pyarrow makes nulls of it.
            "plays": pa.nulls(len(shown), pa.float64())
            if plays is None
            else pa.array(plays, from_pandas=True),
            "added_at_micros": pa.array(columns[ADDED_AT], pa.int64()),
            "maturity": pa.array(columns[MATURITY], pa.int64()),
        }
    )


def find_licensed(reader: FactReader, shown: pa.Table) -> pa.Table:
    """Return those of the videos shown that were licensed where and when they were shown.

    Args:
        reader: As-of reader.
        shown: as_of_micros, country, video_id; distinct.

    Returns:
        The same columns.
    """
    shown = shown.sort_by("as_of_micros")
    moments, starts = np.unique(_column(shown, "as_of_micros"), return_index=True)
    ends = np.append(starts[1:], len(shown))
    video_ids = _column(shown, "video_id")
    countries = shown["country"].to_numpy(zero_copy_only=False)
    licensed = np.zeros(len(shown), np.bool_)
    licences: _Licences | None = None
    for moment, start, end in zip(moments.tolist(), starts, ends, strict=True):
        if licences is None or not licences.hold_at(moment):
            licences = _Licences.read(reader, moment)
        here = slice(start, end)
        licensed[here] = licences.cover(countries[here], video_ids[here])
    return shown.filter(pa.array(licensed))


@dataclass(frozen=True, slots=True, eq=False)
class _Licences:
    """Hold which videos were licensed where, and until when that is the answer."""

    listing: Int64Array
    countries: tuple[str, ...]
    available: BoolArray
    unchanged_until: int | None

    @classmethod
    def read(cls, reader: FactReader, moment: int) -> _Licences:
        bitmaps, catalogue = reader.availability(moment), reader.catalogue(moment, ())
        limits = (bitmaps.unchanged_until, catalogue.unchanged_until)
        return cls(
            listing=catalogue.video_ids,
            countries=bitmaps.countries,
            available=bitmaps.available,
            unchanged_until=min((limit for limit in limits if limit is not None), default=None),
        )

    def hold_at(self, moment: int) -> bool:
        return self.unchanged_until is None or moment < self.unchanged_until

    def cover(self, countries: npt.NDArray[np.object_], video_ids: Int64Array) -> BoolArray:
        covered = np.zeros(len(video_ids), np.bool_)
        places = np.searchsorted(self.listing, video_ids)
        listed = places < len(self.listing)
        listed[listed] = self.listing[places[listed]] == video_ids[listed]
        for index, country in enumerate(self.countries):
            here = listed & (countries == country)
            covered[here] = self.available[index, places[here]]
        return covered


def read_limits(reader: FactReader, pages: pa.Table) -> pa.Table:
    """Return the maturity limit of the profile of each page.

    Args:
        reader: As-of reader.
        pages: profile_id, as_of_micros.

    Returns:
        profile_id, as_of_micros, maturity_limit; distinct.
    """
    who = pages.group_by(["profile_id", "as_of_micros"]).aggregate([])
    limits = reader.attributes(
        EntityKind.PROFILE,
        _column(who, "profile_id"),
        _column(who, "as_of_micros"),
        (MATURITY_LIMIT,),
    )
    return who.append_column(
        "maturity_limit", pa.array(limits.columns[MATURITY_LIMIT], pa.int64())
    )


def find_played_next(
    reader: FactReader,
    pages: pa.Table,
    shown: pa.Table,
    window: EngagementWindow,
) -> pa.Table:
    """Return the titles played after each page, within its window.

    A play belongs to the last page before it, logged or asked for, so that none counts twice;
    see `timetravel.reading.engagement.attribute_events`.

    Args:
        reader: Reader with all that has become known.
        pages: page_id, profile_id, as_of_micros; distinct.
        shown: profile_id, shown_at of all logged pages of these profiles.
        window: Which plays belong to a page.

    Returns:
        page_id, video_id; distinct.
    """
    as_of, profiles = _column(pages, "as_of_micros"), _column(pages, "profile_id")
    who, owners = np.unique(profiles, return_inverse=True)
    latest = np.full(len(who), as_of.min(initial=0))
    np.maximum.at(latest, owners, as_of + window.horizon_micros)
    history = reader.history(who, latest, PLAYED_KINDS)
    players = np.repeat(np.arange(len(who)), np.diff(history.offsets))
    shown_to, shown_at = _column(shown, "profile_id"), _column(shown, "shown_at")
    is_asked = np.isin(shown_to, who)
    page_owners = np.concatenate([np.searchsorted(who, shown_to[is_asked]), owners])
    moments = np.concatenate([shown_at[is_asked], as_of])
    followed = attribute_events(
        players,
        history.event_at,
        page_owners,
        moments,
        horizon_micros=window.horizon_micros,
    )
    # Pages of one profile and moment, on several devices, share what was played.
    _, keys = np.unique(np.stack([page_owners, moments]), axis=1, return_inverse=True)
    keys = keys.reshape(-1)  # NumPy 2.0 returns it in two dimensions
    asked = keys[len(keys) - len(as_of) :]
    order = np.argsort(asked, kind="stable")
    attributed = followed != NO_PAGE
    wanted = keys[followed[attributed]]
    first = np.searchsorted(asked[order], wanted, side="left")
    counts = np.searchsorted(asked[order], wanted, side="right") - first
    found = np.stack(
        [
            order[expand_ranges(first, counts)],
            np.repeat(history.video_ids[attributed], counts),
        ]
    )
    indexes, video_ids = np.unique(found, axis=1)
    return pa.table(
        {
            "page_id": pages["page_id"].combine_chunks().take(pa.array(indexes)),
            "video_id": pa.array(video_ids, pa.int64()),
        }
    )


def _column(table: pa.Table, name: str) -> Int64Array:
    column: Int64Array = table[name].to_numpy()
    return column
