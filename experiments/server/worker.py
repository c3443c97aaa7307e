"""A worker: a mesh of its own, in which it makes chunks of whatever experiment is next.

A worker that dies leaves leases that run out; what it has written stays. Any number of workers
share the chunks, on one machine or on several.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from core.errors import PagesimError
from experiments.errors import LeakedPages, LowPageYield, RunNotFound
from experiments.generation.external_ids import PageIds
from experiments.generation.partitions import plan_partitions
from experiments.queue.held_leases import HeldLeases
from experiments.register.states import ExperimentState
from experiments.runs.chunk_work import Leave
from experiments.runs.page_making import RunWork
from experiments.runs.page_yield import PageYield
from experiments.runs.requests import find_profiles, read_requests
from experiments.runs.run_record import read_record
from experiments.server.fair_shares import FairShares
from experiments.server.settings import name_process
from experiments.server.steps import fail_experiment
from timetravel.errors import StoreUnavailable
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    import grpc

    from experiments.generation.partitions import Partition
    from experiments.queue.chunk_queue import ChunkQueue
    from experiments.register.register import Experiment
    from experiments.server.settings import ServerSettings, Tables
    from mesh.client.mesh_process import MeshProcess

ROLE: Final = "worker"
LEASE_SECONDS: Final = 20.0
"""After which the chunks of a worker that died are made by another one."""
TURN_SECONDS: Final = 15.0
"""How long a stack serves before it may have to make way for another experiment's."""

STACK_FAILURES: Final = 6
"""How often in a row the stacks of an experiment may fail before it fails."""

_OPEN: Final = (ExperimentState.RUNNING, ExperimentState.PAUSED)
_LOOK_SECONDS: Final = 0.5
_RENEW_SECONDS: Final = 4.0
_TOKEN_LENGTH: Final = 8

_log = structlog.get_logger("experiments.server")


@dataclass(slots=True, eq=False)
class _Run:
    """An experiment of which pages are to be made.

    Attributes:
        experiment_id: Names it.
        work: Makes its chunks.
        queue: The chunks.
        partitions: In order, by the names of their stacks.
        is_running: Whether it may begin another chunk.
        failures: Of its stacks, in a row.
    """

    experiment_id: str
    work: RunWork
    queue: ChunkQueue
    partitions: Mapping[str, Partition]
    is_running: bool = True
    failures: int = 0


@dataclass(slots=True)
class _Turn:
    """A stack at work."""

    run: _Run
    partition: Partition
    began: float
    leave: Leave = Leave.GO_ON


class Worker:
    """Make chunks of experiments, a few stacks at a time.

    Args:
        settings: Where what is.
        tables: Register and queue.
        mesh: Its own.
        channel: To the mesh.
        stacks: How many at a time.
        monotonic_seconds: The clock of turns.
    """

    def __init__(
        self,
        settings: ServerSettings,
        tables: Tables,
        mesh: MeshProcess,
        channel: grpc.Channel,
        stacks: int,
        *,
        monotonic_seconds: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._mesh = mesh
        self._channel = channel
        self._stacks = stacks
        self._now = monotonic_seconds
        self._name = name_process()
        self._shares = FairShares()
        self._shares_lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._turns: dict[Future[None], _Turn] = {}

    def run(self, asked_to_stop: threading.Event) -> None:
        """Work until asked to stop; chunks under way are given up then.

        Raises:
            ProcessFailed: The mesh ended.
        """
        renewed = self._now()
        with ThreadPoolExecutor(self._stacks, thread_name_prefix="stack") as executor:
            try:
                while not asked_to_stop.wait(_LOOK_SECONDS):
                    self._mesh.check()
                    try:
                        if self._now() - renewed >= _RENEW_SECONDS:
                            renewed = self._now()
                            for run in self._runs.values():
                                run.work.leases.renew()
                        self._look(executor)
                    except StoreUnavailable as error:  # the database restarts, say
                        _log.warning("database_unavailable", reason=error.problem)
            finally:
                for turn in self._turns.values():
                    turn.leave = Leave.STOP
                self._mesh.close()  # calls under way end at once
                self._tables.register.forget(self._name)

    def _look(self, executor: ThreadPoolExecutor) -> None:
        """Take in what is over and what is new, and begin turns where stacks are free."""
        for future in [one for one in self._turns if one.done()]:
            self._end(self._turns.pop(future), future)
        self._take_in(self._tables.register.find(_OPEN))
        due = self._find_due()
        with self._shares_lock:
            self._shares.set_present(
                due.keys() | {turn.run.experiment_id for turn in self._turns.values()}
            )
        self._make_way(set(due))
        while len(self._turns) < self._stacks and due:
            working = {
                name: self._count(name)
                for name in due
                if self._count(name) < self._runs[name].work.spec.limits.concurrent_stacks
            }
            with self._shares_lock:
                chosen = self._shares.choose(working)
            if chosen is None:
                break
            partition, *others = due.pop(chosen)
            if others:
                due[chosen] = others
            turn = _Turn(self._runs[chosen], partition, self._now())
            self._turns[executor.submit(self._make, turn)] = turn
        doing = sorted({turn.run.experiment_id for turn in self._turns.values()})
        self._tables.register.hear(self._name, ROLE, ", ".join(doing) or "waiting")

    def _take_in(self, found: Sequence[Experiment]) -> None:
        """Open what has come to run, and let stacks of what no longer runs end."""
        states = {one.experiment_id: one.state for one in found}
        for turn in self._turns.values():
            state = states.get(turn.run.experiment_id)
            if state is None:
                turn.leave = Leave.STOP
            elif state is ExperimentState.PAUSED:
                turn.leave = Leave.END_CHUNKS
        for name, run in self._runs.items():
            run.is_running = states.get(name) is ExperimentState.RUNNING
        for name in self._runs.keys() - states.keys():
            if not self._count(name):
                del self._runs[name]
        for experiment in found:
            if experiment.experiment_id not in self._runs:
                try:
                    self._runs[experiment.experiment_id] = self._open(experiment)
                except RunNotFound as error:
                    fail_experiment(self._tables, experiment.experiment_id, str(error))

    def _find_due(self) -> dict[str, list[Partition]]:
        """Return the partitions with chunks to be made, in order, by experiment."""
        at_work = {
            (turn.run.experiment_id, turn.partition.stack_id) for turn in self._turns.values()
        }
        due = {}
        for name, run in self._runs.items():
            lacking = set(run.queue.find_due())
            partitions = [
                one
                for stack_id, one in run.partitions.items()
                if stack_id in lacking and (name, stack_id) not in at_work
            ]
            if partitions and run.is_running:
                due[name] = partitions
        return due

    def _count(self, experiment_id: str) -> int:
        """Return how many stacks work for an experiment."""
        return sum(turn.run.experiment_id == experiment_id for turn in self._turns.values())

    def _make_way(self, waiting: set[str]) -> None:
        """Let a stack end after its turn if an experiment waits that was served less."""
        if len(self._turns) < self._stacks:
            return
        for turn in self._turns.values():
            own = turn.run.experiment_id
            others = {name for name in waiting - {own} if self._count(name) < self._count(own)}
            if not others or self._now() - turn.began < TURN_SECONDS:
                continue
            with self._shares_lock:
                is_ahead = self._shares.is_ahead(own, others)
            if is_ahead or self._count(own) > 1:
                turn.leave = Leave.END_CHUNKS
                return

    def _open(self, experiment: Experiment) -> _Run:
        directory = self._settings.find_directory(experiment.experiment_id)
        spec, slices = experiment.spec, read_requests(directory)
        partitions = plan_partitions(slices, spec.variants)
        queue = self._tables.open_queue(experiment.experiment_id)
        with Store.open(self._settings.store_url) as store:
            page_ids = PageIds.of_store(store, find_profiles(slices))
        return _Run(
            experiment.experiment_id,
            RunWork(
                spec,
                directory,
                read_record(directory).snapshot,
                HeldLeases(queue, self._name, LEASE_SECONDS),
                PageYield(partitions, spec.limits.page_yield),
                page_ids,
                stack_prefix=f"x{experiment.experiment_id[-_TOKEN_LENGTH:]}-",
            ),
            queue,
            {one.stack_id: one for one in partitions},
        )

    def _make(self, turn: _Turn) -> None:
        def advance(pages: int) -> None:
            with self._shares_lock:
                self._shares.note_served(turn.run.experiment_id, pages)

        turn.run.work.make_due_chunks(
            turn.partition,
            self._mesh,
            self._channel,
            advance=advance,
            tell=lambda _waiting_for: None,
            ask_leave=lambda: turn.leave,
        )

    def _end(self, turn: _Turn, made: Future[None]) -> None:
        """Take in how a turn ended.

        Raises:
            ProcessFailed: The mesh ended.
        """
        run, experiment_id = turn.run, turn.run.experiment_id
        try:
            made.result()
        except (LowPageYield, LeakedPages) as error:
            fail_experiment(self._tables, experiment_id, str(error))
        except StoreUnavailable as error:
            _log.warning("database_unavailable", reason=error.problem)
        except PagesimError as error:
            self._mesh.check()
            # The queue counts how often leased chunks failed; a stack that never serves leases
            # none.
            run.failures += 1
            _log.warning("stack_failed", experiment=experiment_id, reason=error.problem)
            if run.failures >= STACK_FAILURES:
                fail_experiment(
                    self._tables,
                    experiment_id,
                    f"A stack of {turn.partition.stack_id} failed {run.failures} times in a "
                    f"row, at last with this: {error}",
                )
        else:
            run.failures = 0
