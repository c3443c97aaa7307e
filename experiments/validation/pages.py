"""Finds where a simulated page first differs from the logged one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.page.model import Page


class Stage(StrEnum):
    """Name the stages of a page in the order in which they depend on each other."""

    FAILED = "failed"
    """No page was made."""
    REQUEST = "request"
    """Another device or geometry."""
    ROWS = "rows"
    """Other rows."""
    ORDER = "order"
    """The same rows in another order."""
    VIDEOS = "videos"
    """Other titles in a row, or in another order."""
    LABELS = "labels"
    """Another heading or type of a row."""
    SCORES = "scores"
    """Nothing to be seen: scores alone."""
    LOG = "log"
    """Nothing but the logged digest, which is not that of the logged page."""


def first_difference(simulated: Page | None, logged: Page) -> Stage | None:
    """Return the first stage at which two pages differ, None if they are the same.

    Args:
        simulated: None if it could not be made.
        logged: What was really shown.
    """
    if simulated is None:
        return Stage.FAILED
    if (simulated.device, simulated.geometry) != (logged.device, logged.geometry):
        return Stage.REQUEST
    here = [row.row_id for row in simulated.rows]
    there = [row.row_id for row in logged.rows]
    if here != there:
        return Stage.ORDER if sorted(here) == sorted(there) else Stage.ROWS
    pairs = list(zip(simulated.rows, logged.rows, strict=True))
    for one, other in pairs:
        if [video.video_id for video in one.videos] != [
            video.video_id for video in other.videos
        ]:
            return Stage.VIDEOS
    if any((one.type, one.title) != (other.type, other.title) for one, other in pairs):
        return Stage.LABELS
    return None if simulated == logged else Stage.SCORES
