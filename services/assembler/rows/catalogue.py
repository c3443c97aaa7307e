"""The catalogue in one epoch, as the assembler needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.assembler.rows.candidates import Contents
from services.assembler.rows.nearest import NearestVideos
from services.assembler.rows.selection import VideoGenres
from services.page.inputs import GENRES, TITLE, YEAR
from services.shared_facts.attributes import read_title
from services.shared_facts.content import content_fields, genre_field
from services.shared_facts.content_index import Content, ContentIndex, entries_of, genre_names
from services.shared_facts.listing import find_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import CatalogueRows

CATALOGUE_ATTRIBUTES = (GENRES, TITLE, YEAR)
"""The video attributes that the assembler reads."""


@dataclass(frozen=True, slots=True, eq=False)
class AssemblerCatalogue:
    """Hold what the assembler derives from the attributes of the catalogue.

    Args:
        catalogue_version: Digest of the listing.
        video_ids: int64[videos], ascending.
        genre_names: Genres that occur, ascending; some may have left the catalogue.
        genres: Genres of each video, as places in `genre_names`.
        contents: Contents of each video, for likeness.
        nearest: What is alike to seeds of pages made so far.
        newest_known_at: Newest `known_at` of all of it.
    """

    catalogue_version: str
    video_ids: Int64Array
    genre_names: tuple[str, ...]
    genres: VideoGenres
    contents: Contents
    nearest: NearestVideos
    newest_known_at: int
    _titles: Sequence[JsonValue]

    def title(self, position: int) -> str:
        """Return the title of a video by its position; "" where it is not known."""
        return read_title(self._titles[position])

    def titles_of(self, video_ids: Int64Array) -> tuple[str, ...]:
        """Return the titles of videos; "" where one is not known."""
        positions = find_positions(self.video_ids, video_ids).tolist()
        return tuple(self.title(place) if place >= 0 else "" for place in positions)


class AssemblerCatalogues:
    """Make catalogues of what was read; what did not change is not looked at again."""

    def __init__(self) -> None:
        self._index = ContentIndex()
        self._contents: tuple[Content, ...] = ()
        self._names: tuple[str, ...] = ()
        self._genres = entries_of((), ())
        self._vectors = entries_of((), ())
        self._fields: tuple[str, ...] = ()

    def make(self, rows: CatalogueRows) -> AssemblerCatalogue:
        """Return the catalogue of what was read."""
        numbered = self._index.number(rows)
        contents = self._index.contents()
        if len(contents) > len(self._contents):
            self._learn(contents)
        described = Contents(
            numbered.numbers,
            numbered.years,
            self._vectors.offsets,
            self._vectors.fields,
            self._vectors.values,
            len(self._fields),
        )
        return AssemblerCatalogue(
            catalogue_version=rows.catalogue_version,
            video_ids=rows.video_ids,
            genre_names=self._names,
            genres=VideoGenres(
                numbered.numbers, self._genres.offsets, self._genres.fields, len(self._names)
            ),
            contents=described,
            nearest=NearestVideos(described),
            newest_known_at=rows.newest_known_at,
            _titles=rows.columns[TITLE],
        )

    def _learn(self, contents: tuple[Content, ...]) -> None:
        self._contents = contents
        self._names = genre_names(contents)
        genre_fields = [genre_field(name) for name in self._names]
        self._genres = entries_of(contents, genre_fields, with_eras=False)
        self._fields = content_fields(
            (genres for genres, _ in contents), (era for _, era in contents)
        )
        self._vectors = entries_of(contents, self._fields)
