"""Reads the profile of each page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.errors import ServicesError, UnknownProfile, UnreadableProfile
from services.page.inputs import (
    BLOCKED_GENRES,
    BLOCKED_VIDEOS,
    COUNTRY,
    HISTORY_KINDS,
    MATURITY_LIMIT,
    PROFILE_ATTRIBUTES,
)
from services.shared_facts.attributes import (
    read_maturity_limits,
    read_texts,
    read_video_ids,
)
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
        unreadable: What is blocked for each and cannot be read; "" where all can.
        newest_known_at: int64[pages] in microseconds.
    """

    countries: tuple[str, ...]
    maturity_limits: tuple[int | None, ...]
    blocked_genres: tuple[tuple[str, ...], ...]
    blocked_videos: tuple[tuple[int, ...], ...]
    unreadable: tuple[str, ...]
    newest_known_at: Int64Array

    def take(self, indexes: Int64Array) -> Profiles:
        """Return the profiles at the given places, in that order."""
        places = indexes.tolist()
        return Profiles(
            countries=tuple(self.countries[place] for place in places),
            maturity_limits=tuple(self.maturity_limits[place] for place in places),
            blocked_genres=tuple(self.blocked_genres[place] for place in places),
            blocked_videos=tuple(self.blocked_videos[place] for place in places),
            unreadable=tuple(self.unreadable[place] for place in places),
            newest_known_at=self.newest_known_at[indexes],
        )

    def find_fault(self, index: int) -> ServicesError | None:
        """Return why a page's profile can have none; None if it can have one.

        Who asks knows the profile, and by which id it was loaded.
        """
        if not self.countries[index]:
            return UnknownProfile(
                f"Of the profile no {COUNTRY} was known at the page's as-of.",
                remedy="Ask for a profile of the store, at a moment after it joined.",
                field="profile_ids",
            )
        if self.unreadable[index]:
            return UnreadableProfile(
                "What is blocked for the profile cannot be read: "
                f"{self.unreadable[index]} is not a list.",
                remedy=f"Correct {self.unreadable[index]} in the store, with a later known_at.",
                field="profile_ids",
            )
        return None

    def check_known(self, requests: PageRequests) -> None:
        """Refuse a batch with a profile that can have no page.

        Raises:
            UnknownProfile: Nothing is known of the first such profile.
            UnreadableProfile: What is blocked for it cannot be read.
        """
        for index in range(len(requests)):
            fault = self.find_fault(index)
            if fault is not None:
                raise type(fault)(
                    f"Page {index} of the batch: {fault.problem}",
                    remedy=fault.remedy,
                    field=fault.field,
                )


def read_profiles(reader: FactReader, requests: PageRequests) -> Profiles:
    """Return the attributes of each page's profile as of the page."""
    rows = reader.attributes(
        EntityKind.PROFILE, requests.profile_ids, requests.as_of_micros, PROFILE_ATTRIBUTES
    )
    kind = EntityKind.PROFILE
    genres = [read_texts(kind, BLOCKED_GENRES, value) for value in rows.columns[BLOCKED_GENRES]]
    videos = [
        read_video_ids(kind, BLOCKED_VIDEOS, value) for value in rows.columns[BLOCKED_VIDEOS]
    ]
    return Profiles(
        countries=tuple(
            country if isinstance(country, str) else "" for country in rows.columns[COUNTRY]
        ),
        maturity_limits=tuple(read_maturity_limits(rows.columns[MATURITY_LIMIT])),
        blocked_genres=tuple(texts or () for texts in genres),
        blocked_videos=tuple(numbers or () for numbers in videos),
        unreadable=tuple(
            BLOCKED_GENRES if texts is None else BLOCKED_VIDEOS if numbers is None else ""
            for texts, numbers in zip(genres, videos, strict=True)
        ),
        newest_known_at=np.asarray(rows.newest_known_at, np.int64),
    )


def read_history(reader: FactReader, requests: PageRequests) -> HistoryRows:
    """Return what each page's profile had done by the page's moment, newest first."""
    return reader.history(requests.profile_ids, requests.as_of_micros, HISTORY_KINDS)
