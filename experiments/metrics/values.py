"""Computes every page metric for one chunk of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from experiments.metrics.definitions.definition import Family
from experiments.metrics.definitions.registry import PAGE_METRICS
from experiments.metrics.rounding import round_floats

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir

    from experiments.metrics.definitions.definition import MetricTables

PAGE_METRICS_SCHEMA = pa.schema(
    [
        ("variant", pa.string()),
        ("reference", pa.string()),
        ("page_id", pa.string()),
        ("profile_id", pa.int64()),
        ("stratum", pa.string()),
        ("page_digest", pa.string()),
        *((metric.name, pa.float64()) for metric in PAGE_METRICS),
    ]
)
"""One record per page and variant. `reference` is what similarity was measured against."""


def measure_pages(
    tables: MetricTables, pages: pa.Table, references: Mapping[str, str]
) -> pa.Table:
    """Return the value of every metric for every page, null where it has none.

    Args:
        tables: What `tables.lay_out` made of the pages.
        pages: variant, page_id, profile_id, stratum, page_digest.
        references: With what the pages of a variant are compared.

    Returns:
        Records as in PAGE_METRICS_SCHEMA, in the order of the pages.
    """
    variants = list(references)
    reference = pc.take(
        pa.array(references.values(), pa.string()),
        pc.index_in(pages["variant"], value_set=pa.array(variants, pa.string())),
    )
    pages = pages.append_column("reference", reference)
    others = _reference_digests(pages)
    pairs = pc.binary_join_element_wise(pages["page_digest"], others, "|")
    columns = {name: pages[name] for name in PAGE_METRICS_SCHEMA.names[:6]}
    for metric in PAGE_METRICS:
        found = metric.definition(tables)
        if metric.family is Family.SIMILARITY:
            columns[metric.name] = _align(_keyed_by_pair(found), pairs)
        else:
            columns[metric.name] = _align(found.to_pyarrow(), pages["page_digest"])
    return pa.table(columns, schema=PAGE_METRICS_SCHEMA)


def _reference_digests(pages: pa.Table) -> pa.ChunkedArray:
    own = pc.binary_join_element_wise(pages["variant"], pages["page_id"], "|")
    wanted = pc.binary_join_element_wise(pages["reference"], pages["page_id"], "|")
    return pc.take(pages["page_digest"], pc.index_in(wanted, value_set=own.combine_chunks()))


def _keyed_by_pair(found: ir.Table) -> pa.Table:
    records = found.to_pyarrow()
    key = pc.binary_join_element_wise(records["page_digest"], records["reference_digest"], "|")
    return pa.table({"page_digest": key, "value": records["value"]})


def _align(found: pa.Table, keys: pa.ChunkedArray) -> pa.Array:
    places = pc.index_in(keys, value_set=found["page_digest"].combine_chunks())
    return round_floats(pc.take(found["value"].cast(pa.float64()), places).combine_chunks())
