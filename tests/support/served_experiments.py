"""The doors of a server of experiments, in this process and over loopback.

There is neither a controller nor a worker: tests move experiments by the register.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from experiments.register.states import ExperimentState
from experiments.server.doors.administration import Administration
from experiments.server.doors.client import ExperimentClient
from experiments.server.doors.servicer import register_service
from experiments.server.settings import ServerSettings, Tables, open_tables
from experiments.server.steps import PLAN
from mesh.serving import ServingOptions, start
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPERIMENT: Final = b"""
experiment: trial
seed: 5
scope: {source: logged_pages, profiles: 12, pages_per_profile: 2, strata: [country]}
variants: [{name: control}, {name: popularity, configuration: {ranking: {model: popularity}}}]
"""
THREE_MISTAKES: Final = b"""
experiment: trial
seed: -5
scope: {source: logged_pages, profiles: 12, strata: [planet]}
variants: [{name: control}, {name: again, configuration: {ranking: {model: popularty}}}]
"""
"""One in itself, and two names that only a store knows to be wrong."""

_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True)
class ServedExperiments:
    """Doors under test.

    Attributes:
        address: host:port.
        settings: Of the server.
        tables: Behind the doors.
        administration: What they ask.
        client: Calls them.
    """

    address: str
    settings: ServerSettings
    tables: Tables
    administration: Administration
    client: ExperimentClient

    def submit(self) -> str:
        """Submit an experiment, and return its id."""
        return self.client.submit(EXPERIMENT, "trial.yaml", "growth").experiment_id

    def move(self, experiment_id: str, *states: ExperimentState, reason: str = "") -> None:
        """Bring an experiment through states."""
        for state in states:
            self.tables.register.move(experiment_id, state, reason)

    def plan(self, experiment_id: str) -> None:
        """Post the chunks of an experiment, and let it run."""
        register = self.tables.register
        register.move(experiment_id, ExperimentState.PLANNING)
        attempt = register.begin_step(experiment_id, PLAN, "host/1")
        queue = self.tables.open_queue(experiment_id)
        for partition in ("control-000", "popularity-000"):
            queue.post(partition, [10, 14])
        register.end_step(experiment_id, PLAN, attempt, None)
        register.move(experiment_id, ExperimentState.RUNNING)

    def make_chunk(self, experiment_id: str, partition: str, failures: int = 0) -> None:
        """Note that the next chunk of a partition is made."""
        queue = self.tables.open_queue(experiment_id)
        lease = queue.lease(partition, "host/2", 60.0)
        assert lease is not None
        queue.acknowledge(lease, {"NOT_FOUND: nobody": failures} if failures else {})

    def fail_chunk(self, experiment_id: str, partition: str, times: int) -> None:
        """Note that the next chunk of a partition failed."""
        queue = self.tables.open_queue(experiment_id)
        for _ in range(times):
            lease = queue.lease(partition, "host/2", 60.0)
            assert lease is not None
            queue.fail(lease, "Ranking died.", pause_seconds=0.0)


@contextmanager
def serving_experiments(
    store_url: str, directory: Path, address: str = "127.0.0.1:0"
) -> Iterator[ServedExperiments]:
    """Serve experiments that read a store; register and runs are in the directory."""
    settings = ServerSettings(
        f"sqlite:///{directory / 'server.db'}",
        store_url,
        directory / "runs",
        directory / "segments",
    )
    tokens = (f"{number:08x}" for number in itertools.count(0xA0))
    with open_tables(settings) as tables, Store.open(store_url) as store:
        administration = Administration(
            settings, tables, store, draw_token=lambda: next(tokens), environment={}
        )
        server = start(
            [register_service(administration, poll_seconds=_POLL_SECONDS)],
            ServingOptions(address=address),
        )
        client = ExperimentClient(server.address)
        try:
            yield ServedExperiments(server.address, settings, tables, administration, client)
        finally:
            client.close()
            server.stop(0)
