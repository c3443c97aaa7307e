"""Gives the entities in a history the ids by which the store was told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from timetravel.facts.model import EntityKind, FactKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from timetravel.facts.model import JsonValue
    from timetravel.ledger.questions import HistoricalVersion
    from timetravel.ledger.versions import FactVersion

VIDEO_ID = "video_id"


def name_videos(
    history: Sequence[HistoricalVersion],
    external_ids: Callable[[EntityKind, Sequence[int]], Sequence[int | str]],
) -> list[HistoricalVersion]:
    """Return a history whose values name videos as the store was told of them.

    Args:
        history: Of one entity.
        external_ids: Returns the ids of entities as they were given; see `Store`.
    """
    numbers = sorted({number for one in history for number in one.version.video_ids})
    names = dict(zip(numbers, external_ids(EntityKind.VIDEO, numbers), strict=True))
    return [
        replace(one, version=replace(one.version, value=_name(one.version, names)))
        for one in history
    ]


def _name(version: FactVersion, names: Mapping[int, int | str]) -> JsonValue:
    value = version.value
    if version.kind is FactKind.EVENT and isinstance(value, dict):
        return {**value, VIDEO_ID: names[value[VIDEO_ID]]}
    if version.video_ids and isinstance(value, list):
        return [names.get(number, number) for number in value]
    return value
