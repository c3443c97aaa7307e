"""Plans of small runs, of any pages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from experiments.generation.partitions import plan_slices
from experiments.runs.plan import RunPlan, plan_run
from experiments.scope.page_keys import PageKeys
from experiments.spec import ExperimentSpec, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timetravel.facts.model import JsonValue
    from timetravel.store import Store

POPULARITY: Final[Mapping[str, JsonValue]] = {"ranking": {"model": "popularity"}}


def now() -> datetime:
    """Return when runs are planned."""
    return datetime(2024, 5, 6, tzinfo=UTC)


def make_spec(**changes: Any) -> ExperimentSpec:  # noqa: ANN401 - whatever a file says
    """Return an experiment on a store of 12 profiles that have two logged pages each."""
    return read_document(
        {
            "experiment": "trial",
            "seed": 5,
            "scope": {"source": "logged_pages", "profiles": 10, "pages_per_profile": 2},
            "variants": [
                {"name": "control"},
                {"name": "popularity", "configuration": dict(POPULARITY)},
            ],
            **changes,
        }
    )


def keys_in_strata(*pages: tuple[int, str]) -> PageKeys:
    """Return pages of profiles in strata, one moment after the other."""
    profiles, strata = zip(*pages, strict=True)
    devices = pa.array(["tv"] * len(pages)).dictionary_encode()
    keys = PageKeys.of(np.arange(len(pages)), np.array(profiles), devices)
    return replace(keys, strata=pa.array(strata).dictionary_encode())


def plan_pages(
    keys: PageKeys, spec: ExperimentSpec, store: Store, population: Mapping[str, int]
) -> RunPlan:
    """Return the plan of a run that makes these pages."""
    planned = plan_run(spec, store, None, now)
    record = replace(planned.record, population=population)
    return RunPlan(spec, record, plan_slices(keys, spec.slices, spec.limits.batch_pages))
