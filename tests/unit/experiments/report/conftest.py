"""A measured run, its report, and pages to hold against each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from experiments.metrics.compute import METRICS_FILE
from experiments.report.document import write_report
from experiments.report.findings import Findings

if TYPE_CHECKING:
    from experiments.report.description import RunDescription
    from timetravel.store import Store


@pytest.fixture(scope="session")
def findings(described_run: RunDescription) -> Findings:
    return Findings.of(pq.read_table(described_run.measured.directory / METRICS_FILE))


@pytest.fixture(scope="session")
def report(described_run: RunDescription, store: Store) -> str:
    """The report as it is written."""
    return write_report(replace(described_run), store).read_text(encoding="utf-8")
