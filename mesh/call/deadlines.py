"""The deadline of the call being served, which the calls it makes share."""

from __future__ import annotations

import contextvars
import time

# On time.monotonic's clock: a deadline is about this process, never about the simulation.
_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar(
    "pagesim_deadline", default=None
)


def set_remaining_seconds(remaining_seconds: float | None) -> None:
    """Set the deadline in the running `contextvars.Context`, for good; None means none."""
    _deadline.set(None if remaining_seconds is None else time.monotonic() + remaining_seconds)


def remaining_seconds(asked_seconds: float | None) -> float | None:
    """Return the smaller of what is asked for and what the served call has left."""
    deadline = _deadline.get()
    if deadline is None:
        return asked_seconds
    left_seconds = max(deadline - time.monotonic(), 0.0)
    return left_seconds if asked_seconds is None else min(asked_seconds, left_seconds)
