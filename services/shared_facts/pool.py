"""One stage per pinned view of the store, shared by the calls of every stack that has it."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from mesh.call.context import current_context

if TYPE_CHECKING:
    from collections.abc import Callable

Stage = TypeVar("Stage")

CAPACITY = 4
"""Views of the store for which stages, and the facts they keep, stay in memory."""


class StagePool(Generic[Stage]):
    """Hand out the stage for the call being served.

    What a stage keeps holds for one snapshot and one known-by. A call without a snapshot
    reads a store that may grow meanwhile, so it gets a stage of its own that keeps nothing.
    """

    def __init__(self, build: Callable[[], Stage], *, capacity: int = CAPACITY) -> None:
        self._build = build
        self._capacity = capacity
        self._stages: OrderedDict[tuple[int, int | None], Stage] = OrderedDict()
        self._lock = Lock()

    def stage(self) -> Stage:
        """Return the stage for the current context.

        Raises:
            MissingContext: No call is being served.
        """
        context = current_context()
        if context.snapshot is None:
            return self._build()
        key = (context.snapshot, context.known_by_micros)
        with self._lock:
            stage = self._stages.pop(key, None)
            if stage is None:
                stage = self._build()
            self._stages[key] = stage
            if len(self._stages) > self._capacity:
                self._stages.popitem(last=False)
            return stage
