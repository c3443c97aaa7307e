"""Compiles the kernels of metrics once: `python -m experiments.metrics.warm_up`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from experiments.metrics.definitions.columns import Facts, Played
from experiments.metrics.definitions.similarity import Scratch
from experiments.metrics.inputs.encoding import ROWS_SCHEMA, PageTable, encode_pages
from experiments.metrics.values import compare_pages, measure_pages


def warm_up() -> None:
    """Measure one page of one title, and compare it with another."""
    row = {"row_id": "a", "row_type": "popular", "title": "A", "videos": [1]}
    page = PageTable(
        np.ones(1, np.int64),
        np.ones((1, 4), np.int32),
        pa.Table.from_pylist([row], ROWS_SCHEMA),
    )
    encoded = encode_pages([page, page])
    place, moment = np.zeros(1, np.int32), np.zeros(1, np.int64)
    facts = Facts(
        as_of=moment,
        maturity_limits=moment,
        catalogue_of=place,
        contents=np.zeros((1, 1), np.int32),
        genre_starts=np.array([0, 1]),
        genres=place,
        genre_masks=np.ones((1, 1), np.uint64),
        genre_count=1,
        added_at=np.zeros((1, 1), np.int64),
        maturity=np.zeros((1, 1), np.int64),
        plays_of=place,
        log_plays=np.zeros((1, 1)),
        licences_of=place,
        is_licensed=np.ones((1, 1), np.bool_),
    )
    pages, others = encoded.variants
    measure_pages(pages, facts, Played(np.array([0, 1]), place))
    scratch = Scratch.make(row_ids=1, videos=1, deepest=encoded.deepest)
    compare_pages(pages, others, np.zeros(1, np.bool_), np.ones(1, np.bool_), scratch)


if __name__ == "__main__":
    warm_up()
