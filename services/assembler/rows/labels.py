"""The headings of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.page.model import RowLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from services.assembler.rows.layout import PageLayout
    from services.assembler.rows.personal_candidates import EpochPages, GivenCandidates


def label_rows(
    layout: PageLayout,
    epochs: Sequence[EpochPages],
    given: GivenCandidates,
    countries: Sequence[str],
    pages: Int64Array,
    rows: Int64Array,
) -> tuple[tuple[RowLabel, ...], Int64Array]:
    """Return the distinct labels of placed rows, and the place of each row's label in them.

    Only what a heading names tells labels apart, so few headings are written for a batch.

    Args:
        layout: The rows.
        epochs: The catalogue of each page.
        given: Of the batch; because you watched rows are headed by its seeds.
        countries: Country of each page.
        pages: int64[placed rows], the page of each.
        rows: int64[placed rows], place of each in the layout.
    """
    names = tuple(dict.fromkeys(countries))
    country_numbers = {name: number for number, name in enumerate(names)}
    country_of = np.array([country_numbers[name] for name in countries], np.int64)
    epoch_of = np.zeros(len(countries), np.int64)
    for number, epoch in enumerate(epochs):
        epoch_of[epoch.indexes] = number
    slots = layout.given.slots[rows]
    follows = slots >= 0
    key_columns = np.stack(
        [
            rows,
            np.where(layout.names_country[rows], country_of[pages], 0),
            np.where(follows, epoch_of[pages], 0),
            np.where(follows, given.seeds[pages, slots], 0),
        ]
    )
    sizes = (len(layout.rows), len(names), len(epochs), len(epochs[0].catalogue.video_ids))
    keys = np.ravel_multi_index(tuple(key_columns), sizes)
    _, examples, key_of = np.unique(keys, return_index=True, return_inverse=True)
    places: dict[RowLabel, int] = {}
    label_of_key = []
    for example in examples.tolist():
        row, country, epoch_number, seed = key_columns[:, example].tolist()
        definition = layout.rows[row]
        catalogue = epochs[epoch_number].catalogue
        heading = definition.title.format(
            country=names[country],
            genre=definition.genre,
            title=catalogue.title(seed) if layout.given.slots[row] >= 0 else "",
        )
        label = RowLabel(definition.row_id, definition.type, heading)
        label_of_key.append(places.setdefault(label, len(places)))
    return tuple(places), np.array(label_of_key, np.int64)[key_of]
