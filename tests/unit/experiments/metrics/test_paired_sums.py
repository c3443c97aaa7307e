"""Sums over pairs of pages, against plain sums, whatever fits into one pass."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.metrics import paired_sums
from experiments.metrics.paired_sums import PageValues, Pairing
from tests.support.effort import effort

if TYPE_CHECKING:
    from pathlib import Path

VARIANTS = ("control", "treatment")
METRICS = ("first", "second", "third")
PAIRINGS = (Pairing("treatment", "control"), Pairing("control", "control"))

Values = tuple[float | None, ...]
Page = tuple[int, str, tuple[Values | None, ...]]
"""Profile, stratum, and the values of each variant."""
Key = tuple[Pairing, str, int, str]

_values = st.none() | st.integers(-9, 9).map(float)
_pages = st.lists(
    st.tuples(
        st.integers(1, 4),  # profile
        st.sampled_from(["all", "US"]),
        # A variant that did not make the page has no record.
        st.tuples(*(st.none() | st.tuples(*(_values for _ in METRICS)) for _ in VARIANTS)),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sums") / "page_metrics.parquet"


@settings(max_examples=effort(25, 300), deadline=None)
@given(pages=_pages, slice_pages=st.integers(1, 5), bytes_per_pass=st.sampled_from([1, 10**6]))
def test_sums_equal_plain_sums(
    path: Path, pages: list[Page], slice_pages: int, bytes_per_pass: int
) -> None:
    _write(path, pages, slice_pages)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paired_sums, "_BYTES_PER_PASS", bytes_per_pass)
        values = PageValues(path, PAIRINGS)
        passes = list(values.add_up(METRICS))
    assert [name for names, _ in passes for name in names] == list(METRICS)
    clusters = [
        (values.clusters.names[stratum], profile)
        for stratum, profile in zip(
            values.clusters.strata.tolist(), values.clusters.profiles.tolist(), strict=True
        )
    ]
    profiles = sorted({profile for profile, _, made in pages if any(made)})
    found, spreads = {}, {}
    for names, sums in passes:
        for pairing, one in sums.items():
            for stratum, place in np.ndindex(one.spreads.shape[:2]):
                if one.spreads[stratum, place, 0]:
                    key = pairing, values.clusters.names[stratum], names[place]
                    spreads[key] = one.spreads[stratum, place].tolist()
            for cluster, (stratum, profile) in enumerate(clusters):
                for place, name in enumerate(names):
                    if one.pages[cluster, place]:
                        found[pairing, stratum, profiles[profile], name] = (
                            one.pages[cluster, place],
                            one.own[cluster, place],
                            one.differences[cluster, place],
                        )
    pairs = _plain_pairs(pages)
    assert found == _plain_sums(pairs)
    expected = _plain_spreads(pairs)
    assert spreads == {key: pytest.approx(own, abs=1e-9) for key, own in expected.items()}


def _write(path: Path, pages: list[Page], slice_pages: int) -> None:
    schema = pa.schema(
        [
            ("variant", pa.string()),
            ("page_id", pa.string()),
            ("profile_id", pa.int64()),
            ("stratum", pa.string()),
            *((name, pa.float64()) for name in METRICS),
        ]
    )
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, len(pages), slice_pages):
            records = [
                {
                    "variant": variant,
                    "page_id": f"page-{number}",
                    "profile_id": profile,
                    "stratum": stratum,
                    **dict(zip(METRICS, made[place] or (), strict=True)),
                }
                for place, variant in enumerate(VARIANTS)
                for number, (profile, stratum, made) in list(enumerate(pages))[
                    first : first + slice_pages
                ]
                if made[place] is not None
            ]
            writer.write_table(pa.Table.from_pylist(records, schema))


def _plain_pairs(pages: list[Page]) -> dict[Key, list[tuple[float, float]]]:
    """Return the values of both pages of each pair."""
    pairs: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for profile, stratum, (control, treatment) in pages:
        for pairing, own, other in zip(
            PAIRINGS, (treatment, control), (control, control), strict=True
        ):
            for name, one, another in zip(METRICS, own or (), other or (), strict=False):
                if one is not None and another is not None:
                    pairs[pairing, stratum, profile, name].append((one, another))
    return pairs


def _plain_sums(
    pairs: dict[Key, list[tuple[float, float]]],
) -> dict[Key, tuple[int, float, float]]:
    return {
        key: (len(own), math.fsum(a for a, _ in own), math.fsum(a - b for a, b in own))
        for key, own in pairs.items()
    }


def _plain_spreads(
    pairs: dict[Key, list[tuple[float, float]]],
) -> dict[tuple[Pairing, str, str], list[float]]:
    others: dict[tuple[Pairing, str, str], list[float]] = defaultdict(list)
    for (pairing, stratum, _, name), own in pairs.items():
        others[pairing, stratum, name].extend(other for _, other in own)
    return {
        key: [len(own), mean := math.fsum(own) / len(own), sum((x - mean) ** 2 for x in own)]
        for key, own in others.items()
    }
