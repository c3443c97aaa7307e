"""Epochs: spans of time over which a whole-catalogue answer does not change."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.arrays import Int64Array

Value = TypeVar("Value")
Held_co = TypeVar("Held_co", covariant=True)

FOREVER_MICROS = 2**63 - 1
"""Stands for "never changes again" where an end is asked for."""


@dataclass(frozen=True, slots=True)
class Epoch(Generic[Held_co]):
    """Hold what is true over [from_micros, until_micros), both microseconds.

    An empty span is momentary: nothing is promised beyond the moment asked for.
    """

    from_micros: int
    until_micros: int
    value: Held_co

    def covers(self, at: int) -> bool:
        """Return whether the answer may be used for a moment."""
        return self.from_micros <= at < self.until_micros or at == self.from_micros

    @property
    def is_momentary(self) -> bool:
        """Return whether the answer may not be kept."""
        return self.until_micros <= self.from_micros


def combine(value: Value, *parts: Epoch[object]) -> Epoch[Value]:
    """Return the epoch of something made from others: while none of them changes."""
    return Epoch(
        from_micros=max(part.from_micros for part in parts),
        until_micros=min(part.until_micros for part in parts),
        value=value,
    )


class EpochCache(Generic[Value]):
    """Keep the epochs used last, and load those that are missing.

    Safe to share between threads: one of them loads, the others wait for it.
    """

    def __init__(self, load: Callable[[int], Epoch[Value]], *, capacity: int) -> None:
        self._load = load
        self._capacity = capacity
        self._epochs: OrderedDict[int, Epoch[Value]] = OrderedDict()
        self._lock = Lock()

    def at(self, moment: int) -> Epoch[Value]:
        """Return the epoch of a moment."""
        with self._lock:
            for key, epoch in reversed(self._epochs.items()):
                if epoch.covers(moment):
                    self._epochs.move_to_end(key)
                    return epoch
            loaded = self._load(moment)
            for key, epoch in self._epochs.items():
                if loaded.from_micros < epoch.from_micros < loaded.until_micros:
                    # The same answer, now known to begin earlier.
                    del self._epochs[key]
                    loaded = Epoch(loaded.from_micros, epoch.until_micros, epoch.value)
                    break
            self._epochs[loaded.from_micros] = loaded
            if len(self._epochs) > self._capacity:
                self._epochs.popitem(last=False)
            return loaded

    def forget(self, *, momentary_only: bool = False) -> None:
        """Drop epochs: something else than time may have changed the answers."""
        with self._lock:
            for key, epoch in list(self._epochs.items()):
                if epoch.is_momentary or not momentary_only:
                    del self._epochs[key]


def group_by_epoch(
    moments: Int64Array, at: Callable[[int], Epoch[Value]]
) -> Iterator[tuple[Value, Int64Array]]:
    """Yield each epoch's value with the places of its moments, ascending."""
    order = np.argsort(moments, kind="stable")
    ascending = moments[order]
    first = 0
    while first < len(order):
        moment = int(ascending[first])
        epoch = at(moment)
        last = int(np.searchsorted(ascending, max(epoch.until_micros, moment + 1)))
        yield epoch.value, np.sort(order[first:last])
        first = last
