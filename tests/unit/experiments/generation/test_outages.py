"""Patience: what is repeated, for how long, and what is said meanwhile."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
import pytest

from core.errors import InvalidInput, PagesimError, Unavailable
from core.grpc_status import write_status
from experiments.errors import StackFailed
from experiments.generation.outages import (
    OUTAGE_SECONDS,
    SETTLE_SECONDS,
    Patience,
    StackHealth,
)
from mesh.topology.stack import LostReplica

if TYPE_CHECKING:
    from collections.abc import Sequence

UNAVAILABLE, INTERNAL = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL
RANKING = LostReplica("pagesim.ranking.v1.RankingService", "", "signal 9")
LOST, WELL, RESTARTED = StackHealth((RANKING,)), StackHealth(), StackHealth(restarts=1)


@dataclass(frozen=True)
class Entry:
    """A header."""

    key: str
    value: str | bytes


class Failure(grpc.RpcError):
    """A failed call, with the details of a service's own error or without any."""

    def __init__(self, status: grpc.StatusCode | PagesimError) -> None:
        told = write_status(status) if isinstance(status, PagesimError) else None
        self.status = status.status if isinstance(status, PagesimError) else status
        self.trailing = (
            [Entry(*pair) for pair in (told.trailing_metadata or ())] if told else []
        )

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return "injected"

    def trailing_metadata(self) -> list[Entry]:  # type: ignore[override]  # as far as it is read
        return self.trailing


@dataclass
class Scene:
    """A call that fails as told and then answers, in a mesh that says what it is told to say.

    The last words of the mesh are repeated. Waiting is what moves the clock.
    """

    failures: deque[grpc.StatusCode | PagesimError]
    health: deque[StackHealth]
    asked: int = 0
    waits: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def ask(self) -> str:
        self.asked += 1
        if self.failures:
            raise Failure(self.failures.popleft())
        return "answer"

    def ask_health(self) -> StackHealth:
        return self.health.popleft() if len(self.health) > 1 else self.health[0]

    def call(self) -> str:
        patience = Patience(
            self.ask_health,
            tell=self.told.append,
            wait=self.waits.append,
            monotonic_seconds=lambda: sum(self.waits),
        )
        return patience.call(self.ask)


def scene(failures: Sequence[grpc.StatusCode | PagesimError], *health: StackHealth) -> Scene:
    return Scene(deque(failures), deque(health or (WELL,)))


@pytest.mark.parametrize(
    ("failures", "health"),
    [
        pytest.param([], [WELL], id="no failure"),
        pytest.param([UNAVAILABLE], [WELL], id="Envoy has noticed later than the mesh"),
        pytest.param([UNAVAILABLE], [LOST], id="a death"),
        pytest.param([UNAVAILABLE] * 100, [LOST] * 95 + [WELL], id="a long restart"),
        pytest.param([UNAVAILABLE] * 20, [LOST] * 10 + [RESTARTED], id="and slow routes"),
        pytest.param([UNAVAILABLE] * 40, ([LOST] * 3 + [WELL] * 7) * 4, id="many deaths"),
        pytest.param([grpc.StatusCode.RESOURCE_EXHAUSTED] * 3, [WELL], id="too much at once"),
        pytest.param([Unavailable("No.", remedy="Wait.")] * 3, [WELL], id="told by a service"),
        pytest.param([INTERNAL], [LOST], id="broken off, and not restarted yet"),
        pytest.param([INTERNAL], [RESTARTED], id="broken off, and restarted already"),
        pytest.param([grpc.StatusCode.CANCELLED], [LOST], id="reset"),
        pytest.param([grpc.StatusCode.UNKNOWN], [LOST], id="no status"),
        pytest.param([INTERNAL] + [UNAVAILABLE] * 9, [LOST], id="broken off, then away"),
        pytest.param(
            [INTERNAL, INTERNAL], [RESTARTED, StackHealth(restarts=2)], id="twice broken off"
        ),
    ],
)
def test_what_an_outage_explains_is_repeated_until_it_is_answered(
    failures: list[grpc.StatusCode | PagesimError], health: list[StackHealth]
) -> None:
    played = scene(failures, *health)
    assert played.call() == "answer"
    assert played.asked == len(failures) + 1


@pytest.mark.parametrize(
    ("failure", "health", "asked"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, LOST, 1),
        (grpc.StatusCode.NOT_FOUND, LOST, 1),
        (grpc.StatusCode.FAILED_PRECONDITION, LOST, 1),
        (grpc.StatusCode.UNIMPLEMENTED, LOST, 1),
        (grpc.StatusCode.PERMISSION_DENIED, LOST, 1),
        (grpc.StatusCode.DEADLINE_EXCEEDED, LOST, 1),
        (InvalidInput("Wrong.", remedy="Correct it."), LOST, 1),
        (PagesimError("A fault of a service.", remedy="Report it."), LOST, 1),
        (INTERNAL, WELL, 1),
        (grpc.StatusCode.UNKNOWN, WELL, 1),
        (grpc.StatusCode.CANCELLED, WELL, 1),
        (INTERNAL, RESTARTED, 2),
    ],
    ids=str,
)
def test_what_no_outage_explains_is_not_repeated(
    failure: grpc.StatusCode | PagesimError, health: StackHealth, asked: int
) -> None:
    played = scene([failure] * 100, health)
    with pytest.raises(grpc.RpcError):
        played.call()
    assert played.asked == asked


def test_what_is_not_restarted_in_time_is_named_with_how_it_died() -> None:
    played = scene([UNAVAILABLE] * 1000, LOST)
    told = (
        rf"{RANKING.service} of the baseline died with signal 9, and was not restarted within "
        r"\d+ seconds: UNAVAILABLE: injected\. Look at the logs"
    )
    with pytest.raises(StackFailed, match=told):
        played.call()
    assert OUTAGE_SECONDS <= sum(played.waits) < OUTAGE_SECONDS + 3


def test_a_stack_that_does_not_answer_though_nothing_died_fails_sooner() -> None:
    played = scene([UNAVAILABLE] * 1000, WELL)
    with pytest.raises(StackFailed, match="did not answer for 16 seconds: UNAVAILABLE"):
        played.call()
    assert SETTLE_SECONDS <= sum(played.waits) < SETTLE_SECONDS + 3


def test_a_mesh_that_gave_up_or_is_gone_ends_the_waiting_at_once() -> None:
    def ask_health() -> StackHealth:
        raise StackFailed("It died 7 times in a row.", remedy="Look at the logs.")

    def ask() -> None:
        raise Failure(UNAVAILABLE)

    waits: list[float] = []
    with pytest.raises(StackFailed, match="7 times"):
        Patience(ask_health, wait=waits.append).call(ask)
    assert len(waits) == 1


def test_what_is_waited_for_is_told_until_it_is_over() -> None:
    played = scene([UNAVAILABLE] * 2, LOST, WELL)
    played.call()
    assert played.told == [
        f"Waiting for {RANKING.service} of the baseline to be restarted (120 s at most)",
        "Waiting for the stack to answer (120 s at most)",
        "",
    ]
