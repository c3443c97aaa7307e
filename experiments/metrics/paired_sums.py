"""Adds up the values of pages, and of pairs of pages, by member.

Memory grows with the members of a run rather than with its pages: a few metrics are added up
at a time, and only their columns are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.kernel import kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from core.arrays import Float64Array, Int32Array, Int64Array

_KEYS: Final = ["variant", "page_id", "profile_id", "stratum"]
_BYTES_PER_PASS: Final = 256 * 2**20
_BYTES_PER_CLUSTER: Final = 4 + 8 + 8
_BYTES_PER_STRATUM: Final = 3 * 8


@dataclass(frozen=True, slots=True, order=True)
class Pairing:
    """Say with whose pages the pages of a variant are paired; with its own, none differs."""

    variant: str
    other: str


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Hold the clusters that pages belong to: each is a member in a stratum.

    Args:
        profiles: int64[clusters], number of the member.
        strata: int64[clusters], number of the stratum.
        names: Names of the strata.
    """

    profiles: Int64Array
    strata: Int64Array
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PairedSums:
    """Hold sums over the pairs in which both pages have a value.

    Args:
        pages: int32[clusters, metrics], how many pairs.
        own: float64[clusters, metrics], sum of the variant's values.
        differences: float64[clusters, metrics], sum of its values less the other's.
        spreads: float64[strata, metrics, 3], of the other's values: how many, their mean, and
            the sum of their squared deviations from it.
    """

    pages: Int32Array
    own: Float64Array
    differences: Float64Array
    spreads: Float64Array

    @classmethod
    def of_nothing(cls, clusters: Clusters, metrics: int) -> Self:
        """Return the sums of no pairs."""
        size = (len(clusters.profiles), metrics)
        return cls(
            pages=np.zeros(size, np.int32),
            own=np.zeros(size),
            differences=np.zeros(size),
            spreads=np.zeros((len(clusters.names), metrics, 3)),
        )


class PageValues:
    """Read the values of pages, slice by slice.

    Args:
        path: Records as in `values.PAGE_METRICS_SCHEMA`; a row group holds every variant of its
            pages.
        pairings: Which pages to pair.
    """

    def __init__(self, path: Path, pairings: Sequence[Pairing]) -> None:
        self._file = pq.ParquetFile(path)
        keys = [
            self._file.read_row_group(number, columns=_KEYS)
            for number in range(self._file.num_row_groups)
        ]
        self.clusters, clusters = _find_clusters(keys)
        self._slices = []
        for table in keys:
            own, clusters = np.split(clusters, [len(table)])
            self._slices.append((_pair(table, pairings), own))
        self._pairings = len(pairings)

    def add_up(
        self, metrics: Sequence[str]
    ) -> Iterator[tuple[Sequence[str], Mapping[Pairing, PairedSums]]]:
        """Yield the sums of a few of the metrics at a time.

        Args:
            metrics: Columns.
        """
        clusters = self.clusters
        per_pairing = (
            len(clusters.profiles) * _BYTES_PER_CLUSTER
            + len(clusters.names) * _BYTES_PER_STRATUM
        )
        step = max(_BYTES_PER_PASS // max(per_pairing * self._pairings, 1), 1)
        for first in range(0, len(metrics), step):
            names = metrics[first : first + step]
            yield names, self._add_up(names)

    def _add_up(self, metrics: Sequence[str]) -> Mapping[Pairing, PairedSums]:
        sums: dict[Pairing, PairedSums] = {}
        for number, (pairs, own) in enumerate(self._slices):
            table = self._file.read_row_group(number, columns=list(metrics))
            values = np.empty((len(table), len(metrics)))
            for column, name in enumerate(metrics):
                values[:, column] = table[name].to_numpy()
            for pairing, (rows, others) in pairs.items():
                added = sums.setdefault(
                    pairing, PairedSums.of_nothing(self.clusters, len(metrics))
                )
                add_pairs(
                    values,
                    rows,
                    others,
                    own,
                    self.clusters.strata,
                    added.pages,
                    added.own,
                    added.differences,
                    added.spreads,
                )
        return sums


def _find_clusters(keys: Sequence[pa.Table]) -> tuple[Clusters, Int64Array]:
    """Return the clusters of all pages, and the number of each page's: int64[records]."""
    columns = [table.select(["profile_id", "stratum"]) for table in keys]
    schema = pa.schema([("profile_id", pa.int64()), ("stratum", pa.string())])
    together = pa.concat_tables([schema.empty_table(), *columns]).combine_chunks()
    profile_ids, profiles = np.unique(together["profile_id"].to_numpy(), return_inverse=True)
    strata = together["stratum"].combine_chunks().dictionary_encode()
    members = max(len(profile_ids), 1)
    known, clusters = np.unique(
        strata.indices.to_numpy() * members + profiles, return_inverse=True
    )
    names = tuple(strata.dictionary.to_pylist())
    return Clusters(known % members, known // members, names), clusters


def _pair(
    table: pa.Table, pairings: Sequence[Pairing]
) -> dict[Pairing, tuple[Int64Array, Int64Array]]:
    """Return the rows of each pairing's pages, and of the pages they are paired with."""
    variants = table["variant"].combine_chunks().dictionary_encode()
    numbers = variants.indices.to_numpy()
    rows = {
        name: np.flatnonzero(numbers == number)
        for number, name in enumerate(variants.dictionary.to_pylist())
    }
    nothing = np.zeros(0, np.int64)
    pairs = {}
    for pairing in pairings:
        own, other = rows.get(pairing.variant, nothing), rows.get(pairing.other, nothing)
        places = pc.index_in(
            table["page_id"].take(own), value_set=table["page_id"].take(other).combine_chunks()
        )
        is_paired = places.is_valid().to_numpy()
        pairs[pairing] = own[is_paired], other[places.drop_null().to_numpy()]
    return pairs


@kernel
def add_pairs(
    values: Float64Array,
    rows: Int64Array,
    others: Int64Array,
    clusters: Int64Array,
    strata: Int64Array,
    pages: Int32Array,
    own: Float64Array,
    differences: Float64Array,
    spreads: Float64Array,
) -> None:
    """Add pairs of pages to the sums of their clusters and strata; NaN is no value.

    Deviations are added up as the mean moves, so those of equal values are exactly 0. Source:
    Welford, Note on a Method for Calculating Corrected Sums of Squares and Products
    (Technometrics 1962).

    Args:
        values: float64[records, metrics].
        rows: int64[pairs], records of the variant.
        others: int64[pairs], records of the other.
        clusters: int64[records].
        strata: int64[clusters].
        pages: int32[clusters, metrics], added to, as what follows; see `PairedSums`.
        own: float64[clusters, metrics].
        differences: float64[clusters, metrics].
        spreads: float64[strata, metrics, 3].
    """
    for pair in range(len(rows)):
        row, other = rows[pair], others[pair]
        cluster = clusters[row]
        stratum = strata[cluster]
        for metric in range(values.shape[1]):
            difference = values[row, metric] - values[other, metric]
            if not np.isnan(difference):
                pages[cluster, metric] += 1
                own[cluster, metric] += values[row, metric]
                differences[cluster, metric] += difference
                deviation = values[other, metric] - spreads[stratum, metric, 1]
                spreads[stratum, metric, 0] += 1
                spreads[stratum, metric, 1] += deviation / spreads[stratum, metric, 0]
                moved = values[other, metric] - spreads[stratum, metric, 1]
                spreads[stratum, metric, 2] += deviation * moved
