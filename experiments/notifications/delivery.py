"""Delivery of messages over one channel, in the background and with patience."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import structlog

from core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from experiments.notifications.channels import Channel
    from experiments.notifications.events import Occasion
    from experiments.notifications.messages import Message

_log = structlog.get_logger("experiments.notifications")

Clock: TypeAlias = "Callable[[], float]"
"""Returns seconds that only grow."""

Wait: TypeAlias = "Callable[[threading.Event, float], bool]"
"""Waits for an event, at most so many seconds, and returns whether it happened."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """Say how long delivery is tried.

    Args:
        attempts: To send one message, at most.
        first_pause_seconds: After the first failed attempt.
        growth: By which each pause is longer than the one before.
        longest_pause_seconds: Bounds a pause.
        longest_seconds: After the first attempt at a message no other begins later.
        closing_seconds: How long the end of a run waits for what is not sent yet.
        troubles: How often owners are told of trouble; of more only the log tells.
    """

    attempts: int = 8
    first_pause_seconds: float = 1.0
    growth: float = 2.0
    longest_pause_seconds: float = 60.0
    longest_seconds: float = 300.0
    closing_seconds: float = 10.0
    troubles: int = 10

    def __post_init__(self) -> None:
        legal = (
            self.attempts >= 1
            and self.growth >= 1
            and self.troubles >= 1
            and 0 <= self.first_pause_seconds <= self.longest_pause_seconds
            and min(self.longest_seconds, self.closing_seconds) >= 0
        )
        if not legal:
            raise InvalidInput(
                f"{self} cannot be used.",
                remedy="Give at least one attempt and trouble, and pauses that do not shrink.",
            )

    @property
    def closing_pause_seconds(self) -> float:
        """Bounds a pause at the end of a run, so that all attempts fit into the wait."""
        return self.closing_seconds / self.attempts

    def pauses(self) -> Iterator[float]:
        """Yield the seconds to wait after each failed attempt but the last."""
        pause = self.first_pause_seconds
        for _ in range(self.attempts - 1):
            yield pause
            pause = min(pause * self.growth, self.longest_pause_seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """Hold a message on its way to an owner."""

    owner: str
    occasion: Occasion
    message: Message


class Lane:
    """Deliver the messages of one channel in order, on a thread of its own.

    A channel that fails holds up no other. The thread ends with the process at the latest.

    Args:
        name: Of the channel, as the file has it.
        channel: What carries messages.
        persistence: How long delivery is tried.
        clock: Of the pauses.
        wait: Waits.
    """

    def __init__(
        self, name: str, channel: Channel, persistence: Persistence, clock: Clock, wait: Wait
    ) -> None:
        self._name = name
        self._channel = channel
        self._persistence = persistence
        self._clock = clock
        self._wait = wait
        self._queue: queue.SimpleQueue[Parcel | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._outstanding: list[Parcel] = []
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"tell-{name}", daemon=True)
        self._thread.start()

    def put(self, parcel: Parcel) -> None:
        """Have a message delivered."""
        with self._lock:
            self._outstanding.append(parcel)
        self._queue.put(parcel)

    def finish(self) -> None:
        """Take no more; a pause under way ends, and `done` is set when all is delivered."""
        self._queue.put(None)
        self._closing.set()

    def abandon(self) -> Sequence[Parcel]:
        """Try nothing more, and return what was neither delivered nor given up."""
        self._abandoned.set()
        with self._lock:
            left = tuple(self._outstanding)
            self._outstanding.clear()
        return left

    def _work(self) -> None:
        while (parcel := self._queue.get()) is not None and not self._abandoned.is_set():
            self._deliver(parcel)
        self.done.set()

    def _deliver(self, parcel: Parcel) -> None:
        began = self._clock()
        attempts, reason = 0, ""
        for pause in (*self._persistence.pauses(), None):
            attempts += 1
            reason = self._send(parcel.message)
            if not reason:
                self._settle(parcel)
                return
            late = self._clock() - began + (pause or 0) > self._persistence.longest_seconds
            if pause is None or late:
                break
            self._pause(pause)
            if self._abandoned.is_set():
                return
        if self._settle(parcel):
            _log.warning(
                "notification_given_up",
                channel=self._name,
                owner=parcel.owner,
                occasion=parcel.occasion.value,
                attempts=attempts,
                reason=reason,
            )

    def _pause(self, seconds: float) -> None:
        """Wait, less long once the end waits for what is left."""
        if not self._closing.is_set():
            self._wait(self._closing, seconds)
        else:
            self._wait(self._abandoned, min(seconds, self._persistence.closing_pause_seconds))

    def _send(self, message: Message) -> str:
        """Return why a message could not be sent, or an empty text."""
        try:
            taken = self._channel.send(message)
        except Exception as error:  # noqa: BLE001 - no channel may fail an experiment
            return type(error).__name__  # its text may hold the address
        return "" if taken else "refused or not reached"

    def _settle(self, parcel: Parcel) -> bool:
        """Return whether a message still was to be delivered; it no longer is."""
        with self._lock:
            if parcel not in self._outstanding:
                return False
            self._outstanding.remove(parcel)
            return True
