"""One finished run for all tests of this directory; none of them changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.pages.simulated_runs import make_run
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.pages.simulated_runs import SimulatedRun


@pytest.fixture(scope="session")
def simulated_run(tmp_path_factory: pytest.TempPathFactory) -> SimulatedRun:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def store(simulated_run: SimulatedRun) -> Iterator[Store]:
    with Store.open(simulated_run.store_url) as store:
        yield store
