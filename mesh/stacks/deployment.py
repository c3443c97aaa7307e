"""One running stack: its processes, its state and its lease."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mesh.errors import InvalidStack
from mesh.topology.stack import StackState, StackStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mesh.stacks.replicas import Replica
    from mesh.topology.stack import Endpoint, LostReplica, Stack

_SHORTEST_LEASE_SECONDS = 1.0
_LONGEST_LEASE_SECONDS = 7 * 86400.0


@dataclass(slots=True, eq=False)
class Deployment:
    """A stack while it lives.

    Attributes:
        stack: As it was created.
        lease_seconds: How long it stays without being renewed; None means until deleted.
        created: Done when it is ready, or could not be made so.
        processes: Its replicas.
        state: Where it is in its life.
        reason: Why it is there.
        expires_at: When its lease ends, in seconds of a monotonic clock.
    """

    stack: Stack
    lease_seconds: float | None = None
    created: Future[None] = field(default_factory=Future)
    processes: list[Replica] = field(default_factory=list)
    state: StackState = StackState.CREATING
    reason: str = ""
    expires_at: float | None = None

    @property
    def leaving(self) -> bool:
        """Whether it is being removed."""
        return self.state in {StackState.DRAINING, StackState.GONE}

    @property
    def live(self) -> bool:
        """Whether calls reach it."""
        return self.state is StackState.READY or (
            self.state is StackState.FAILED and self.created.done()
        )

    def renew(self, now: float) -> None:
        """Let the lease begin anew."""
        if self.lease_seconds is not None:
            self.expires_at = now + self.lease_seconds

    def has_expired(self, now: float) -> bool:
        """Return whether its lease is over."""
        return self.live and self.expires_at is not None and now >= self.expires_at

    def status(
        self,
        serving: Sequence[Replica],
        lost: tuple[LostReplica, ...],
        restarts: int,
    ) -> StackStatus:
        """Return what to tell about it."""
        return StackStatus(
            stack=self.stack,
            endpoints=endpoints_of(serving),
            state=self.state,
            reason=self.reason,
            restarts=restarts,
            lease_seconds=self.lease_seconds,
            lost=lost,
        )


def endpoints_of(processes: Sequence[Replica]) -> tuple[Endpoint, ...]:
    """Return where those of the processes that were ready once can be reached."""
    found = (process.find_endpoint() for process in processes)
    return tuple(endpoint for endpoint in found if endpoint is not None)


def check_lease(seconds: float | None) -> None:
    """Check the length of a lease.

    Raises:
        InvalidStack: It is too short or too long.
    """
    if seconds is not None and not _SHORTEST_LEASE_SECONDS <= seconds <= _LONGEST_LEASE_SECONDS:
        raise InvalidStack(
            f"A lease of {seconds:g} seconds cannot be kept.",
            remedy=f"Give {_SHORTEST_LEASE_SECONDS:g} to {_LONGEST_LEASE_SECONDS:g}, or none.",
            field="lease",
        )
