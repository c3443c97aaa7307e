"""A stack, its state, and where its processes can be reached."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from core.moments import check_moment
from mesh.call.context import CallContext, check_stack_id, check_variant
from mesh.errors import InvalidStack
from mesh.topology.service_process import check_each_once

if TYPE_CHECKING:
    from mesh.call.addresses import Address
    from mesh.topology.service_process import ServiceProcess

BASELINE = ""
"""Stands for the baseline where a stack id is asked for."""


class StackState(Enum):
    """Where a stack is in its life."""

    CREATING = "creating"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Stack:
    """A private copy of the system at one moment.

    Attributes:
        stack_id: 1-63 of a-z, 0-9 and '-', starting with a letter.
        as_of_micros: The shared clock, stamped on every call.
        known_by_micros: Read facts as known by this moment; None means as known at the
            as-of of each row.
        snapshot: Append position up to which facts are read; None means not pinned.
        overrides: Services that the stack replaces; the baseline serves the rest.
        variant: Label for metrics; empty means the stack id.

    Raises:
        InvalidStack: A value is out of bounds or a service is overridden twice.
    """

    stack_id: str
    as_of_micros: int
    known_by_micros: int | None = None
    snapshot: int | None = None
    overrides: tuple[ServiceProcess, ...] = ()
    variant: str = ""

    def __post_init__(self) -> None:
        check_stack_id(self.stack_id, field="stack_id")
        check_variant(self.variant, field="variant")
        _check_moment(self.as_of_micros, field="as_of")
        if self.known_by_micros is not None:
            _check_moment(self.known_by_micros, field="known_by")
        if self.snapshot is not None and self.snapshot < 1:
            raise InvalidStack(
                f"{self.snapshot} is not an append position.",
                remedy="Give a tx_id of the store, 1 or more, or none.",
                field="snapshot",
            )
        check_each_once(self.overrides, field="overrides")
        for process in self.overrides:
            if process.secrets:
                raise InvalidStack(
                    f"{process.service} of a stack asks for {', '.join(process.secrets)}.",
                    remedy="Only processes of the baseline are given secrets.",
                    field="overrides",
                )

    @property
    def context(self) -> CallContext:
        """The context of calls into the stack."""
        return CallContext(
            stack=self.stack_id,
            as_of_micros=self.as_of_micros,
            known_by_micros=self.known_by_micros,
            snapshot=self.snapshot,
            variant=self.variant or self.stack_id,
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a running process can be reached; `stack_id` is empty for the baseline."""

    service: str
    stack_id: str
    address: Address
    metrics_address: Address
    process_id: int


@dataclass(frozen=True, slots=True)
class LostReplica:
    """A replica that died and does not serve again yet.

    Attributes:
        service: What it serves.
        stack_id: Whose it is; empty for the baseline.
        reason: How it ended.
    """

    service: str
    stack_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A stack and its own processes.

    Attributes:
        stack: As it was created.
        endpoints: Where its processes can be reached.
        state: Where it is in its life.
        reason: Why it is there; empty when that needs no reason.
        restarts: How often processes of it were started again.
        lease_seconds: How long it stays without being renewed; None means until deleted.
        lost: Its own replicas that died and do not serve again yet.
    """

    stack: Stack
    endpoints: tuple[Endpoint, ...] = ()
    state: StackState = StackState.READY
    reason: str = ""
    restarts: int = 0
    lease_seconds: float | None = None
    lost: tuple[LostReplica, ...] = ()


def _check_moment(micros: int, *, field: str) -> None:
    try:
        check_moment(micros, field=field)
    except InvalidInput as error:
        raise InvalidStack(error.problem, remedy=error.remedy, field=field) from None
