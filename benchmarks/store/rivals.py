"""Times other tools on the same versions and rows; runs in an environment of their own.

    python rivals.py FOLDER

FOLDER holds versions.parquet and questions.npz; the medians go to rivals.json there. None of
these tools knows two time axes: they are given valid time alone, which is less work.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
import polars as pl
from feast import (
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.types import Float32, Int64

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.arrays import Int64Array


Column: TypeAlias = "Int64Array"
Ask: TypeAlias = "Callable[[Column, Column], object]"

BATCHES = 15
FEAST_BATCHES = 5


def main(folder: Path) -> None:
    """Time every rival and write what it took."""
    questions = np.load(folder / "questions.npz")
    rows = list(zip(questions["profile_ids"], questions["at"], strict=True))
    asks = {
        "pandas merge_asof": (ask_pandas(folder), BATCHES),
        "polars join_asof": (ask_polars(folder), BATCHES),
        "Feast get_historical_features (DuckDB)": (ask_feast(folder), FEAST_BATCHES),
    }
    medians = {
        name: median_milliseconds(ask, rows[: batches + 1])
        for name, (ask, batches) in asks.items()
    }
    (folder / "rivals.json").write_text(json.dumps(medians))


def median_milliseconds(ask: Ask, rows: list[tuple[Column, Column]]) -> float:
    """Return the median over batches, after the first to warm up."""
    ask(*rows[0])
    taken = []
    for profile_ids, at in rows[1:]:
        started = time.perf_counter()
        ask(profile_ids, at)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def ask_pandas(folder: Path) -> Ask:
    """Return a point-in-time join with the versions in memory, sorted beforehand."""
    versions = pd.read_parquet(folder / "versions.parquet").sort_values("event_timestamp")

    def ask(profile_ids: Column, at: Column) -> object:
        entities = pd.DataFrame({"profile": profile_ids, "event_timestamp": _moments(at)})
        return pd.merge_asof(
            entities.sort_values("event_timestamp"),
            versions,
            on="event_timestamp",
            by="profile",
        )

    return ask


def ask_polars(folder: Path) -> Ask:
    """Return a point-in-time join with the versions in memory, sorted beforehand."""
    versions = pl.read_parquet(folder / "versions.parquet").sort("event_timestamp")

    def ask(profile_ids: Column, at: Column) -> object:
        entities = pl.DataFrame({"profile": profile_ids, "event_timestamp": _moments(at)})
        entities = entities.with_columns(
            pl.col("event_timestamp").cast(pl.Datetime("us", "UTC"))
        )
        return entities.sort("event_timestamp").join_asof(
            versions, on="event_timestamp", by="profile", check_sortedness=False
        )

    return ask


def ask_feast(folder: Path) -> Ask:
    """Return Feast's point-in-time join over its DuckDB offline store."""
    source = FileSource(
        path=str(folder / "versions.parquet"),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    names = [name for name in pl.read_parquet_schema(source.path) if name.startswith("f")]
    profile = Entity(name="profile", join_keys=["profile"], value_type=ValueType.INT64)
    view = FeatureView(
        name="taste",
        entities=[profile],
        ttl=timedelta(days=0),
        schema=[
            Field(name="profile", dtype=Int64),
            *(Field(name=name, dtype=Float32) for name in names),
        ],
        source=source,
        online=False,
    )
    store = FeatureStore(
        config=RepoConfig(
            project="benchmark",
            registry=str(folder / "registry.db"),
            provider="local",
            offline_store={"type": "duckdb"},
            online_store=None,
            entity_key_serialization_version=3,
        )
    )
    store.apply([profile, view])
    features = [f"taste:{name}" for name in names]

    def ask(profile_ids: Column, at: Column) -> object:
        entities = pd.DataFrame({"profile": profile_ids, "event_timestamp": _moments(at)})
        return store.get_historical_features(entity_df=entities, features=features).to_df()

    return ask


def _moments(at: Column) -> pd.DatetimeIndex:
    return pd.to_datetime(at, unit="us", utc=True).as_unit("us")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
