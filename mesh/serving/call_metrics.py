"""Metrics of calls, labelled by stack and variant, in a bounded number of series."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    import grpc
    from prometheus_client import CollectorRegistry

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_CALL_LABELS = ("service", "method", "stack", "variant")


class Served(NamedTuple):
    """Names the series that a call counts in; stack and variant are empty outside a stack."""

    service: str
    method: str
    stack: str = ""
    variant: str = ""


class CallMetrics:
    """Count requests, errors and latency by method, stack and variant.

    Stacks come and go while a baseline process stays, so only the most recently used keep
    series: when one stack too many calls, the series of the one that has been silent for
    longest are removed, as Prometheus expects of a target that went away.

    Args:
        registry: Where the metrics are collected.
        labelled_stacks: Pairs of stack and variant that have series at any time.
    """

    def __init__(self, registry: CollectorRegistry, *, labelled_stacks: int) -> None:
        self._limit = labelled_stacks
        self._lock = threading.Lock()
        self._series: OrderedDict[tuple[str, str], set[tuple[str, ...]]] = OrderedDict()
        self._requests = Counter(
            "pagesim_requests", "Calls answered.", _CALL_LABELS, registry=registry
        )
        self._errors = Counter(
            "pagesim_request_errors",
            "Calls answered with an error.",
            (*_CALL_LABELS, "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "pagesim_request_seconds",
            "Time from the call's arrival to its answer.",
            _CALL_LABELS,
            buckets=_SECONDS,
            registry=registry,
        )
        self._stacks = Gauge(
            "pagesim_labelled_stacks",
            "Pairs of stack and variant that have series here.",
            registry=registry,
        )

    def count(self, served: Served, *, seconds: float, code: grpc.StatusCode | None) -> None:
        """Count a call; `code` is None when it succeeded."""
        with self._lock:
            self._admit(served)
            labels = tuple(served)
            series = self._series[served.stack, served.variant]
            series.add(labels)
            self._requests.labels(*labels).inc()
            self._seconds.labels(*labels).observe(seconds)
            if code is not None:
                series.add((*labels, code.name))
                self._errors.labels(*labels, code.name).inc()

    def _admit(self, served: Served) -> None:
        key = (served.stack, served.variant)
        self._series.setdefault(key, set())
        self._series.move_to_end(key)
        while len(self._series) > self._limit:
            _, silent = self._series.popitem(last=False)
            for labels in silent:
                self._remove(labels)
        self._stacks.set(len(self._series))

    def _remove(self, labels: tuple[str, ...]) -> None:
        if len(labels) == len(_CALL_LABELS):
            self._requests.remove(*labels)
            self._seconds.remove(*labels)
        else:
            self._errors.remove(*labels)
