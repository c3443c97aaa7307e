"""The facts that a page is made from."""

from __future__ import annotations

from timetravel.facts.model import EventKind

PROFILE_GENRE_AFFINITY = "profile_genre_affinity"
PROFILE_TASTE = "profile_taste"
VIDEO_POPULARITY = "video_popularity"
VIDEO_TRENDING = "video_trending"

PROFILE_FEATURE_GROUPS = (PROFILE_GENRE_AFFINITY, PROFILE_TASTE)
VIDEO_FEATURE_GROUPS = (VIDEO_POPULARITY, VIDEO_TRENDING)

COUNTRY = "country"
MATURITY_LIMIT = "maturity_limit"
BLOCKED_GENRES = "blocked_genres"
BLOCKED_VIDEOS = "blocked_videos"
PROFILE_ATTRIBUTES = (BLOCKED_GENRES, BLOCKED_VIDEOS, COUNTRY, MATURITY_LIMIT)

TITLE = "title"
YEAR = "year"
GENRES = "genres"
MATURITY = "maturity"
ADDED_AT = "added_at"
REQUIRES = "requires"
WITHDRAWN = "withdrawn"
VIDEO_ATTRIBUTES = (ADDED_AT, GENRES, MATURITY, REQUIRES, TITLE, WITHDRAWN, YEAR)

CONFIGURATION_COLLECTION = "configuration"
CONFIGURATION_NAME = "homepage"
MODEL_COLLECTION = "model"

HISTORY_KINDS = (EventKind.PLAY, EventKind.RATING, EventKind.THUMB, EventKind.LIST)
