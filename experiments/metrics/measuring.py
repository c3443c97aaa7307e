"""Measures slices of pages: every variant, and the logged pages beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.kernel import kernel_array
from core.moments import EARLIEST_MICROS, LAST_MICROS
from experiments.metrics.definitions.columns import Played
from experiments.metrics.definitions.coverage import ShownVideos, coverage
from experiments.metrics.definitions.definition import LOGGED
from experiments.metrics.definitions.similarity import Scratch
from experiments.metrics.inputs.encoding import encode_pages
from experiments.metrics.inputs.facts import PageFacts
from experiments.metrics.inputs.logged import LoggedPages, are_equal
from experiments.metrics.inputs.played import find_played_next
from experiments.metrics.rounding import round_floats
from experiments.metrics.values import PAGE_METRICS_SCHEMA, compare_pages, measure_pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import BoolArray, Float64Array
    from experiments.metrics.inputs.encoding import EncodedPages
    from experiments.metrics.inputs.logged import LoggedSlice
    from experiments.metrics.inputs.slices import PageSlice
    from experiments.metrics.options import MeasuredRun, MetricOptions
    from timetravel.queries.as_of_reader import AsOfReader
    from timetravel.segments.reader import SegmentReader
    from timetravel.store import Store

_NOT_LISTED: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Hold the values of one variant, and what similarity was measured against.

    Args:
        variant: Whose.
        reference: "" if pages were compared with none.
        is_present: bool[pages]; the other pages have no record.
        digests: string[pages].
        values: float64[pages] by metric.
    """

    variant: str
    reference: str
    is_present: BoolArray
    digests: pa.Array
    values: dict[str, Float64Array]


@dataclass(frozen=True, slots=True, eq=False)
class PreparedSlice:
    """Hold a slice of pages, the logged pages beside it, and all of them under common codes."""

    pages: PageSlice
    logged: LoggedSlice
    encoded: EncodedPages


class Measuring:
    """Hold what measuring a run needs from one slice to the next.

    Args:
        run: What is measured.
        store: Holds the logged pages.
        reader: Reads facts at the snapshot of the run.
        profile_ids: Whose pages are measured; None if they are too many to ask for by name.
        options: What belongs to a page.
    """

    def __init__(
        self,
        run: MeasuredRun,
        store: Store,
        reader: AsOfReader | SegmentReader,
        profile_ids: Sequence[int] | None,
        options: MetricOptions,
    ) -> None:
        self._run = run
        self._engagement = options.engagement
        self._logged = LoggedPages(
            store,
            run.snapshot,
            profile_ids,
            horizon_micros=options.engagement.horizon_micros,
        )
        self._as_of = reader.known_by_moment(run.known_by)
        self._hindsight = reader.known_by_moment(LAST_MICROS)
        self._facts = PageFacts(self._as_of)
        self._shown = ShownVideos()
        self._latest = EARLIEST_MICROS

    def prepare(self, pages: PageSlice) -> PreparedSlice:
        """Read the logged pages beside a slice; slices are best prepared in their order.

        One thread may prepare slices while another measures those before.
        """
        logged = self._logged.read(pages, pages.variants[self._run.variants[0]])
        made = (pages.variants[variant].table for variant in self._run.variants)
        return PreparedSlice(pages, logged, encode_pages([*made, logged.table]))

    def measure(self, prepared: PreparedSlice) -> pa.Table:
        """Return the values of a slice, as in `values.PAGE_METRICS_SCHEMA`."""
        pages, logged, encoded = prepared.pages, prepared.logged, prepared.encoded
        self._latest = max(self._latest, int(pages.as_of.max()))
        control = self._run.variants[0]
        own = pages.variants[control]
        made = [pages.variants[variant] for variant in self._run.variants]
        facts = self._facts.read(
            pages.profile_ids, pages.as_of, pages.countries.to_pylist(), encoded.video_ids
        )
        played = self._read_played(pages, logged, encoded)
        scratch = Scratch.make(
            row_ids=encoded.row_ids, videos=len(encoded.video_ids), deepest=encoded.deepest
        )
        of_control, *_ = *own_columns, of_logged = encoded.variants
        measured = []
        for variant, one, columns in zip(self._run.variants, made, own_columns, strict=True):
            self._shown.add(variant, pages.strata, columns, encoded.video_ids)
            if variant == control:
                reference, others = of_logged, logged.equals_control
                is_compared = one.is_made & logged.is_present
            else:
                reference, others = of_control, are_equal(one.digests, own.digests)
                is_compared = one.is_made & own.is_made
            values = measure_pages(columns, facts, played)
            values |= compare_pages(columns, reference, others, is_compared, scratch)
            name = self._run.references[variant]
            measured.append(_Measured(variant, name, one.is_made, one.digests, values))
        values = {
            name: np.where(logged.equals_control, measured[0].values[name], own_values)
            for name, own_values in measure_pages(of_logged, facts, played).items()
        }
        measured.append(_Measured(LOGGED, "", logged.is_present, logged.digests, values))
        return pa.concat_tables([_to_table(pages, one) for one in measured])

    def measure_coverage(self) -> Mapping[tuple[str, str], float]:
        """Return the coverage of the slices measured so far, by variant and stratum."""
        size = len(self._as_of.catalogue(self._latest, ()).video_ids)
        return {key: coverage(shown, size) for key, shown in self._shown.counts().items()}

    def _read_played(
        self, pages: PageSlice, logged: LoggedSlice, encoded: EncodedPages
    ) -> Played:
        played = find_played_next(
            self._hindsight,
            pages.profile_ids,
            pages.as_of,
            logged.shown_to,
            logged.shown_at,
            self._engagement,
        )
        codes = pc.index_in(pa.array(played.video_ids), value_set=pa.array(encoded.video_ids))
        return Played(
            kernel_array(played.starts, np.int64),
            kernel_array(codes.fill_null(_NOT_LISTED).to_numpy(), np.int32),
        )


def _to_table(pages: PageSlice, measured: _Measured) -> pa.Table:
    size = len(pages.page_ids)
    columns = {
        "variant": pa.repeat(measured.variant, size),
        "reference": pa.repeat(measured.reference, size)
        if measured.reference
        else pa.nulls(size, pa.string()),
        "page_id": pages.page_ids,
        "profile_id": pa.array(pages.profile_ids),
        "stratum": pages.strata,
        "page_digest": measured.digests,
        **{name: round_floats(pa.array(values)) for name, values in measured.values.items()},
    }
    missing = pa.nulls(size, pa.float64())
    table = pa.table(
        [columns.get(name, missing) for name in PAGE_METRICS_SCHEMA.names],
        schema=PAGE_METRICS_SCHEMA,
    )
    return table.filter(pa.array(measured.is_present))
