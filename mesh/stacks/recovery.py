"""Recovers the state of an earlier control plane on the same host."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from mesh.stacks.deployment import endpoints_of
from mesh.topology.stack import BASELINE, StackState
from mesh.topology.topology import PlacedStack, Topology, group_endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mesh.stacks.journal import Entry, Journal
    from mesh.stacks.replicas import Launcher, Replica

_log = structlog.get_logger("mesh.stacks")


@dataclass(frozen=True, slots=True)
class Remains:
    """The stacks that go on, and the processes of theirs and of the baseline.

    Attributes:
        stacks: Entry by stack id; each was ready.
        processes: Replicas by stack id, ordered as they were asked for.
    """

    stacks: Mapping[str, Entry] = field(default_factory=dict)
    processes: Mapping[str, Sequence[Replica]] = field(default_factory=dict)

    def topology(self) -> Topology:
        """Return what Envoy was told last of what goes on."""
        baseline = group_endpoints(endpoints_of(self.processes.get(BASELINE, ())))
        return Topology(
            baseline={cluster.service: cluster for cluster in baseline},
            stacks={
                stack_id: PlacedStack(
                    entry.stack,
                    group_endpoints(endpoints_of(self.processes.get(stack_id, ()))),
                    routed=True,
                )
                for stack_id, entry in self.stacks.items()
            },
        )


def recover(journal: Journal, launcher: Launcher) -> Remains:
    """Keep the stacks that were ready; end what belongs to all others.

    A stack that was being created has nobody who knows that it is there: its creator lost
    the call and asks again. One that was being deleted is not wanted any more.
    """
    running = _group(launcher.list_running())
    entries = journal.entries()
    ready = {
        entry.stack.stack_id: entry for entry in entries if entry.state is StackState.READY
    }
    unwanted = [
        process
        for stack_id, processes in running.items()
        if stack_id != BASELINE and stack_id not in ready
        for process in processes
    ]
    if unwanted:
        with ThreadPoolExecutor(len(unwanted), thread_name_prefix="stop") as stopping:
            list(stopping.map(lambda process: process.stop(), unwanted))
    given_up = [entry.stack.stack_id for entry in entries if entry.stack.stack_id not in ready]
    for stack_id in given_up:
        journal.forget(stack_id)
    if running:
        _log.info(
            "recovered", stacks=len(ready), given_up=given_up, processes_ended=len(unwanted)
        )
    return Remains(ready, running)


def _group(processes: Sequence[Replica]) -> dict[str, list[Replica]]:
    found: dict[str, list[Replica]] = {}
    for process in processes:
        found.setdefault(process.launch.stack_id, []).append(process)
    return found
