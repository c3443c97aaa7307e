"""The truth of a synthetic world, for tests of estimators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from services.shared_facts.content import genre_field
from worlds.records import MOMENT
from worlds.synthetic.catalogue import GENRES
from worlds.synthetic.tastes import WORLDWIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from worlds.synthetic.events import Event
    from worlds.synthetic.history import Service


def truth_tables(service: Service, clean: Sequence[Event]) -> Mapping[str, pa.Table]:
    """Return the truth of a world.

    Returns:
        tastes: per profile and genre, liking at the world's start and at its end.
        videos: appeal of each video.
        trends: waves of attention; country is null for those of the whole world.
        events: what members did, before any dirt.
    """
    return {
        "tastes": _tastes(service),
        "videos": _videos(service),
        "trends": _trends(service),
        "events": _events(clean),
    }


def _tastes(service: Service) -> pa.Table:
    profiles = service.members.profile_ids
    return pa.table(
        {
            "profile_id": np.repeat(profiles, len(GENRES)),
            "field": [genre_field(genre) for genre in GENRES] * len(profiles),
            "at_start": service.tastes.at_start.ravel(),
            "at_end": service.tastes.at_end.ravel(),
        }
    )


def _videos(service: Service) -> pa.Table:
    catalogue = service.catalogue
    return pa.table({"video_id": catalogue.video_ids, "appeal": catalogue.appeal})


def _trends(service: Service) -> pa.Table:
    trends = service.trends
    return pa.table(
        {
            "video_id": service.catalogue.video_ids[trends.videos],
            "country": [
                None if country == WORLDWIDE else service.plan.countries[country]
                for country in trends.countries.tolist()
            ],
            "begin_at": pa.array(trends.begin_at).cast(MOMENT),
            "strength": trends.strengths,
            "half_life_days": trends.half_lives,
        }
    )


def _events(clean: Sequence[Event]) -> pa.Table:
    moments = pa.array([event.event_at for event in clean], pa.int64())
    return pa.table(
        {
            "event_id": [event.event_id for event in clean],
            "profile_id": pa.array([event.profile_id for event in clean], pa.int64()),
            "event_at": moments.cast(MOMENT),
            "kind": pa.array([event.kind.value for event in clean], pa.int8()),
            "video_id": pa.array([event.video_id for event in clean], pa.int64()),
            "value": pa.array([event.value for event in clean], pa.float64()),
        }
    )
