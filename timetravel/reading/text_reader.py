"""The base class of readers that read attributes as JSON texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeAlias

from timetravel.reading.reader import AttributeRows, CatalogueRows
from timetravel.reading.result_rows import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import EntityKind
    from timetravel.reading.reader import Identities, Moments

JsonTexts: TypeAlias = "Sequence[str | None]"


class TextReader(ABC):
    """Reads attributes as texts; as values, too, as `FactReader` asks for them."""

    @abstractmethod
    def entity_ids(self, kind: EntityKind) -> Int64Array:
        """Return every entity of which the snapshot has an attribute fact, ascending."""

    @abstractmethod
    def attribute_texts(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], Int64Array]:
        """Return attributes as JSON texts, and the newest known_at of each row."""

    @abstractmethod
    def catalogue_texts(
        self, at: int, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], CatalogueRows]:
        """Return attributes as JSON texts, and the rest of the answer without columns."""

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return named attributes of each row; see `FactReader.attributes`."""
        texts, newest_known_at = self.attribute_texts(kind, entity_ids, at, names)
        columns = {name: parse_json(column) for name, column in texts.items()}
        return AttributeRows(columns, newest_known_at)

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with attributes; see `FactReader.catalogue`."""
        texts, rows = self.catalogue_texts(at, names)
        columns = {name: parse_json(column) for name, column in texts.items()}
        return CatalogueRows(
            rows.catalogue_version,
            rows.video_ids,
            columns,
            rows.unchanged_until,
            rows.newest_known_at,
        )
