"""The headings of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.page.model import RowLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.assembler.rows.layout import PageLayout


class RowLabels:
    """Label the rows of a batch.

    Args:
        layout: The rows.
        countries: Country of each page.
        seed_titles: Titles that the because you watched rows of each page follow.
    """

    def __init__(
        self,
        layout: PageLayout,
        countries: Sequence[str],
        seed_titles: Sequence[Sequence[str]],
    ) -> None:
        self._rows = layout.rows
        self._slots = layout.given.slots.tolist()
        self._countries = countries
        self._seed_titles = seed_titles
        self._labels: dict[tuple[int, str, str], RowLabel] = {}

    def of(self, page: int, row: int) -> RowLabel:
        """Return the label of a row on a page of the batch."""
        country, slot = self._countries[page], self._slots[row]
        title = self._seed_titles[page][slot] if slot >= 0 else ""
        key = (row, country, title)
        label = self._labels.get(key)
        if label is None:
            definition = self._rows[row]
            heading = definition.title.format(
                country=country, genre=definition.genre, title=title
            )
            label = RowLabel(definition.row_id, definition.type, heading)
            self._labels[key] = label
        return label
