"""The feature jobs over any reader of facts: what they would have computed at a past moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.page.inputs import COUNTRY, GENRES, YEAR
from services.shared_facts.attributes import read_genres, read_year
from timetravel.facts.model import EntityKind
from worlds.features.content import VideoContent
from worlds.features.events import Events, find_places
from worlds.features.jobs import ProfileJob, VideoJob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.arrays import Float32Array, Int64Array
    from timetravel.reading.reader import FactReader, HistoryRows
    from worlds.features.registry import FeatureSpaces


def recompute_video_features(
    reader: FactReader, spaces: FeatureSpaces, profile_ids: Int64Array, at: int
) -> tuple[Int64Array, Mapping[str, Float32Array]]:
    """Return the listing and its features as of a moment.

    Args:
        reader: That answers as of the moment.
        spaces: Of the world.
        profile_ids: Every profile that may have done something, ascending.
        at: The moment, microseconds.

    Returns:
        video ids int64[videos], and one float32[videos, fields] for each group.
    """
    events = events_of(profile_ids, reader.history(profile_ids, at))
    rows = reader.attributes(EntityKind.PROFILE, profile_ids, at, (COUNTRY,))
    places = {country: place for place, country in enumerate(spaces.countries)}
    countries = np.array(
        [places.get(str(country), -1) for country in rows.columns[COUNTRY]], np.int64
    )
    listing = reader.catalogue(at, ()).video_ids
    of_events = countries[find_places(profile_ids, events.profile_ids)]
    return listing, VideoJob(events, of_events, listing).compute(spaces, at)


def recompute_profile_features(
    reader: FactReader, spaces: FeatureSpaces, profile_ids: Int64Array, at: int
) -> Mapping[str, Float32Array]:
    """Return one float32[profiles, fields] for each group, as of a moment.

    Args:
        reader: That answers as of the moment.
        spaces: Of the world.
        profile_ids: int64[profiles], ascending.
        at: The moment, microseconds.
    """
    rows = reader.catalogue(at, (GENRES, YEAR))
    content = VideoContent.describe(
        spaces,
        rows.video_ids,
        [read_genres(value) for value in rows.columns[GENRES]],
        [read_year(value) for value in rows.columns[YEAR]],
    )
    events = events_of(profile_ids, reader.history(profile_ids, at))
    return ProfileJob(events, profile_ids, content).compute(spaces, at)


def events_of(profile_ids: Int64Array, history: HistoryRows) -> Events:
    """Return the events that a reader gave for some profiles."""
    return Events(
        np.repeat(profile_ids, np.diff(history.offsets)),
        history.video_ids,
        history.event_at,
        history.kinds,
        history.values,
    )
