"""Reads the profile of each page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.errors import UnknownProfile
from services.page.inputs import (
    BLOCKED_GENRES,
    BLOCKED_VIDEOS,
    COUNTRY,
    HISTORY_KINDS,
    MATURITY_LIMIT,
    PROFILE_ATTRIBUTES,
)
from services.shared_facts.attributes import read_texts, read_whole_numbers
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from services.page.model import PageRequests
    from timetravel.reading.reader import FactReader, HistoryRows


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """Hold the attributes of each page's profile as of the page.

    Args:
        countries: Country code of each; "" where nothing is known of the profile.
        maturity_limits: Age of each; None where it is not known.
        blocked_genres: Genres that a parent has blocked for each.
        blocked_videos: Likewise, ids of videos.
        newest_known_at: int64[pages] in microseconds.
    """

    countries: tuple[str, ...]
    maturity_limits: tuple[int | None, ...]
    blocked_genres: tuple[tuple[str, ...], ...]
    blocked_videos: tuple[tuple[int, ...], ...]
    newest_known_at: Int64Array

    def take(self, indexes: Int64Array) -> Profiles:
        """Return the profiles at the given places, in that order."""
        places = indexes.tolist()
        return Profiles(
            countries=tuple(self.countries[place] for place in places),
            maturity_limits=tuple(self.maturity_limits[place] for place in places),
            blocked_genres=tuple(self.blocked_genres[place] for place in places),
            blocked_videos=tuple(self.blocked_videos[place] for place in places),
            newest_known_at=self.newest_known_at[indexes],
        )

    def check_known(self, requests: PageRequests) -> None:
        """Refuse a batch with an unknown profile.

        Raises:
            UnknownProfile: Names the first.
        """
        for index, country in enumerate(self.countries):
            if not country:
                raise unknown_profile(int(requests.profile_ids[index]))


def read_profiles(reader: FactReader, requests: PageRequests) -> Profiles:
    """Return the attributes of each page's profile as of the page."""
    rows = reader.attributes(
        EntityKind.PROFILE, requests.profile_ids, requests.as_of_micros, PROFILE_ATTRIBUTES
    )
    return Profiles(
        countries=tuple(
            country if isinstance(country, str) else "" for country in rows.columns[COUNTRY]
        ),
        maturity_limits=tuple(
            limit if isinstance(limit, int) else None for limit in rows.columns[MATURITY_LIMIT]
        ),
        blocked_genres=tuple(map(read_texts, rows.columns[BLOCKED_GENRES])),
        blocked_videos=tuple(map(read_whole_numbers, rows.columns[BLOCKED_VIDEOS])),
        newest_known_at=np.asarray(rows.newest_known_at, np.int64),
    )


def read_history(reader: FactReader, requests: PageRequests) -> HistoryRows:
    """Return what each page's profile had done by the page's moment, newest first."""
    return reader.history(requests.profile_ids, requests.as_of_micros, HISTORY_KINDS)


def unknown_profile(profile_id: int) -> UnknownProfile:
    """Return the error of a profile without a country."""
    return UnknownProfile(
        f"Of profile {profile_id} no {COUNTRY} was known at the page's as-of.",
        remedy="Ask for a profile of the store, at a moment after it joined.",
        field="profile_ids",
    )
