"""Reads the feature groups of a chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import EntityNames
from timetravel.facts.model import FeatureGroup
from timetravel.ingest.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagesim.timetravel.v1 import timetravel_pb2

    from timetravel.ingest.mistakes import Mistakes
    from timetravel.ingest.rules import Rules


def read_groups(
    messages: Sequence[timetravel_pb2.FeatureGroup], rules: Rules, mistakes: Mistakes
) -> list[tuple[int, FeatureGroup]]:
    """Return feature groups with their places; what is wrong with them is noted."""
    groups: list[tuple[int, FeatureGroup]] = []
    for index, message in enumerate(messages):
        fields = Fields(index, rules, mistakes, EntityNames({}))
        group = _read_group(message, fields)
        if group is not None:
            groups.append((index, group))
    return groups


def _read_group(message: timetravel_pb2.FeatureGroup, fields: Fields) -> FeatureGroup | None:
    most = fields.rules.limits.vector_fields
    if len(message.fields) > most:
        fields.wrong(
            "feature_groups.fields",
            len(message.fields),
            f"A group has no more than {most} fields.",
            "Split it.",
        )
        return None
    read = (
        fields.name("feature_groups.name", message.name),
        fields.entity_kind("feature_groups.entity_kind", message.entity_kind),
        fields.take(
            "feature_groups.schema_version",
            fields.rules.schema_version,
            message.schema_version,
            1,
        ),
        tuple(fields.name("feature_groups.fields", name) for name in message.fields),
    )
    if not fields.are_right():
        return None
    try:
        return FeatureGroup(*read)
    except InvalidFact as error:
        fields.wrong(f"feature_groups.{error.field}", None, error.problem, error.remedy)
        return None
