"""Metrics of stacks: how many are live, time until ready, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class StackMetrics:
    """Count what happens to stacks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._live = Gauge("pagesim_mesh_stacks", "Live stacks.", registry=registry)
        self._ready = Histogram(
            "pagesim_mesh_ready_seconds",
            "Time from healthy processes to a ready stack.",
            buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
            registry=registry,
        )
        self._failures = Counter(
            "pagesim_mesh_failed_stacks",
            "Stacks that could not be made ready.",
            ["reason"],
            registry=registry,
        )
        self._deaths = Counter(
            "pagesim_mesh_dead_processes",
            "Processes that ended without being asked to.",
            registry=registry,
        )

        self._restarts = Counter(
            "pagesim_mesh_restarted_processes",
            "Dead processes that were started again and serve.",
            registry=registry,
        )

    def set_live(self, stacks: int) -> None:
        """Set the number of live stacks."""
        self._live.set(stacks)

    def observe_ready(self, seconds: float) -> None:
        """Count a ready stack."""
        self._ready.observe(seconds)

    def count_failure(self, error: BaseException) -> None:
        """Count a stack that could not be made ready."""
        self._failures.labels(type(error).__name__).inc()

    def count_death(self) -> None:
        """Count a process that ended without being asked to."""
        self._deaths.inc()

    def count_restart(self) -> None:
        """Count a dead process that serves again."""
        self._restarts.inc()
