"""Readers and a writer get on with each other; for how long, the environment decides."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from benchmarks.concurrency import READERS, run
from tests.support.effort import effort

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.long]

SECONDS = float(os.environ.get("PAGESIM_CONCURRENCY_SECONDS", effort("2", "15")))
LARGEST_LOG_BYTES = 64 << 20


def test_four_readers_and_a_writer_make_no_error_and_keep_the_log_small(
    tmp_path: Path,
) -> None:
    outcome = run(tmp_path, SECONDS)
    assert outcome.errors == []
    assert outcome.transactions > 1
    assert outcome.reads > READERS
    assert 0 < outcome.peak_log_bytes < LARGEST_LOG_BYTES
