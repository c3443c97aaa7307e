"""Features in columns are the features one by one, written faster."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from tests.support.effort import effort
from timetravel.database import schema
from timetravel.database.engine import reading
from timetravel.errors import ContradictingFacts, InvalidFact, UnknownFeatureGroup
from timetravel.facts.feature_batch import FeatureBatch
from timetravel.facts.model import EntityKind, FeatureFact, FeatureGroup, Op
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from timetravel.facts.model import Fact

TASTE = FeatureGroup("taste", EntityKind.PROFILE, 1, ("drama", "comedy"))
FAME = FeatureGroup("fame", EntityKind.VIDEO, 1, ("views",))


def batch(
    ids: list[int],
    values: list[list[float]],
    *,
    group: str = "taste",
    known_at: list[int] | None = None,
    ops: list[int] | None = None,
    version: int | None = None,
) -> FeatureBatch:
    rows = len(ids)
    return FeatureBatch(
        group,
        np.array(ids, np.int64),
        np.zeros(rows, np.int64),
        np.array(known_at or [0] * rows, np.int64),
        np.array(ops or [0] * rows, np.int8),
        np.array(values, np.float32),
        version,
    )


def fill(store: Store, *appends: list[Fact | FeatureBatch]) -> None:
    with store.begin(0) as writer:
        for group in (TASTE, FAME):
            writer.register(group)
        for facts in appends:
            writer.append(facts, source="test", synthetic=True)


def rows_of(store: Store) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    with reading(store._engine) as connection:
        for table in (schema.feature_fact, schema.change_instant):
            rows += [tuple(row) for row in connection.execute(table.select())]
    return rows


@settings(max_examples=effort(6, 30), deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["taste", "fame"]),
            st.integers(0, 3),
            st.integers(0, 3),
            st.integers(0, 3),
            st.sampled_from([0, 0, 1, 2]),
            st_numpy.arrays(
                np.float32, 2, elements=st.floats(-1, 1, width=32) | st.just(np.nan)
            ),
        ),
        max_size=40,
        unique_by=lambda row: row[:4],
    ),
    seed=st.integers(0, 2**32),
)
def test_columns_leave_what_single_facts_leave(
    rows: list[tuple[Any, ...]],
    seed: int,
    empty_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    facts = [
        FeatureFact(
            group,
            entity,
            valid_from,
            known_at,
            values[: 2 if group == "taste" else 1] if op == Op.ASSERT else None,
            Op(op),
        )
        for group, entity, valid_from, known_at, op, values in rows
    ]
    batches = [
        FeatureBatch(
            group,
            np.array([row[1] for row in chosen], np.int64),
            np.array([row[2] for row in chosen], np.int64),
            np.array([row[3] for row in chosen], np.int64),
            np.array([row[4] for row in chosen], np.int8),
            np.array(
                [row[5][:width] if row[4] == Op.ASSERT else [np.nan] * width for row in chosen],
                np.float32,
            ).reshape(-1, width),
        )
        for group, width in (("taste", 2), ("fame", 1))
        for chosen in [[row for row in rows if row[0] == group]]
    ]
    np.random.default_rng(seed).shuffle(facts)
    stores: list[tuple[str, list[tuple[Any, ...]]]] = []
    appends: list[list[Fact | FeatureBatch]] = [
        [*facts],
        [*batches],
        [*facts, *batches, *facts],
    ]
    for append in appends:
        path = tmp_path_factory.mktemp("store") / "store.db"
        shutil.copy(empty_store, path)
        with Store.open(f"sqlite:///{path}") as store:
            fill(store, append)
            stores.append((store.digest(), rows_of(store)))
    assert stores[1] == stores[0]
    assert stores[2] == stores[0]


def test_a_row_that_comes_twice_is_taken_once(store: Store) -> None:
    fill(store, [batch([1, 2, 1], [[1, np.nan], [3, 4], [1, np.nan]])])
    assert store.count_facts()["features"] == 2


@pytest.mark.parametrize(
    "other",
    [
        batch([1], [[1, 3]]),
        batch([1], [[np.nan, np.nan]], ops=[1]),
        batch([1], [[np.nan, 2]]),
    ],
)
def test_two_rows_that_cannot_both_be_are_refused(store: Store, other: FeatureBatch) -> None:
    with pytest.raises(ContradictingFacts, match="later known_at"):
        fill(store, [batch([1], [[1, 2]]), other])
    assert store.snapshot() == 0


def test_one_key_under_two_schema_versions_is_refused(store: Store) -> None:
    later = FeatureGroup("taste", EntityKind.PROFILE, 2, ("comedy",))
    fill(store, [])
    with store.begin(0) as writer:
        writer.register(later)
        both: list[Fact | FeatureBatch] = [
            batch([1], [[1, 2]], version=1),
            batch([1], [[2]], version=2),
        ]
        with pytest.raises(ContradictingFacts, match="schema version 1"):
            writer.append(both, source="test", synthetic=True)


def test_vectors_of_an_earlier_schema_version_are_read_by_field(store: Store) -> None:
    later = FeatureGroup("taste", EntityKind.PROFILE, 2, ("comedy", "horror"))
    fill(store, [])
    with store.begin(0) as writer:
        writer.register(later)
        writer.append(
            [batch([1], [[1, 2]], version=1), batch([2], [[3, 4]])],
            source="test",
            synthetic=True,
        )
    values = store.as_of().features("taste", [1, 2], 0).values
    assert np.array_equal(values, np.array([[2, np.nan], [3, 4]]), equal_nan=True)


def test_a_batch_of_an_unknown_group_or_width_is_refused(store: Store) -> None:
    with pytest.raises(UnknownFeatureGroup, match="unheard"):
        fill(store, [batch([1], [[1, 2]], group="unheard")])
    with pytest.raises(InvalidFact, match="1 values for 2 fields"):
        fill(store, [batch([1], [[1]])])
    with pytest.raises(InvalidFact, match="no schema version 7"):
        fill(store, [batch([1], [[1, 2]], version=7)])


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("entity_ids", np.array([-1], np.int64)),
        ("entity_ids", np.array([1], np.int32)),
        ("valid_from", np.array([2**62], np.int64)),
        ("known_at", np.array([-(2**62)], np.int64)),
        ("known_at", np.array([1, 2], np.int64)),
        ("ops", np.array([3], np.int8)),
        ("ops", np.array([1], np.int8)),
        ("values", np.array([[1, np.inf]], np.float32)),
        ("values", np.array([1, 2], np.float32)),
        ("values", np.array([[1, 2]], np.float64)),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused_by_its_column(
    field: str, column: np.ndarray[Any, Any]
) -> None:
    columns: dict[str, Any] = {
        "entity_ids": np.array([1], np.int64),
        "valid_from": np.array([0], np.int64),
        "known_at": np.array([0], np.int64),
        "ops": np.array([0], np.int8),
        "values": np.array([[1, 2]], np.float32),
        field: column,
    }
    with pytest.raises(InvalidFact) as refused:
        FeatureBatch("taste", **columns)
    # An op that asserts nothing makes the values wrong.
    assert refused.value.field == (
        "values" if column.tolist() == [1] and field == "ops" else field
    )


def test_an_empty_batch_appends_nothing(store: Store) -> None:
    none = np.empty(0, np.int64)
    values = np.empty((0, 2), np.float32)
    fill(store, [FeatureBatch("taste", none, none, none, none.astype(np.int8), values)])
    assert store.count_facts()["features"] == 0
