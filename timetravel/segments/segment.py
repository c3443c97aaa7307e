"""A segment: what it was made from, and its arrays by kind of fact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.reading.reader import digest_listing
from timetravel.reading.retained import EVERYTHING, Retained

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.arrays import Int64Array
    from timetravel.database.registry import Registry
    from timetravel.facts.model import EntityKind
    from timetravel.segments.columns import (
        Changes,
        Events,
        Licences,
        Texts,
        Vectors,
    )

FORMAT: Final = 2
"""Goes up with every change of what arrays mean; segments of another format are rebuilt."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a segment was made from: two segments of one origin hold the same.

    Attributes:
        store: Digest of all facts up to the snapshot; see `timetravel.writing.digest`.
        snapshot: Newest transaction in it.
        profile_ids: The profiles it holds, ascending; None for everybody.
    """

    store: str
    snapshot: int
    profile_ids: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Document:
    """Versions of one document: texts of bodies, and the schema version of each body."""

    texts: Texts
    schema_versions: Int64Array


@dataclass(frozen=True, eq=False)
class Segment:
    """The facts of one snapshot.

    Attributes:
        origin: What it was made from.
        registry: The feature groups of the snapshot.
        profile_ids: int64[], every profile with an attribute, ascending.
        video_ids: int64[], the catalogue listing, ascending.
        vectors: By feature group.
        attributes: By kind of entity and name.
        documents: By collection and name.
        events: History.
        licences: Availability.
        changes: By subject; see `timetravel.queries.changes`.
        retained: What may be asked of it.
    """

    origin: Origin
    registry: Registry
    profile_ids: Int64Array
    video_ids: Int64Array
    vectors: Mapping[str, Vectors]
    attributes: Mapping[tuple[EntityKind, str], Texts]
    documents: Mapping[tuple[str, str], Document]
    events: Events
    licences: Licences
    changes: Mapping[str, Changes]
    retained: Retained = EVERYTHING

    @cached_property
    def catalogue_version(self) -> str:
        """Digest of the listing."""
        return digest_listing(self.video_ids)

    def covers(self, profile_ids: Int64Array) -> bool:
        """Return whether it holds all facts of these profiles."""
        if self.origin.profile_ids is None:
            return True
        return bool(np.isin(profile_ids, np.array(self.origin.profile_ids)).all())
