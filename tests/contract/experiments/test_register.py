"""The register of experiments against its rules, on every backend."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from experiments.errors import ExperimentExists, ExperimentNotFound, WrongExperimentState
from experiments.register.register import ExperimentRegister, open_register_database
from experiments.register.states import SOURCES, ExperimentState
from experiments.spec import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

SPEC = read_document(
    {
        "experiment": "trial",
        "seed": 3,
        "scope": {"source": "logged_pages", "profiles": 5, "pages_per_profile": 1},
        "slices": 1,
        "variants": [{"name": "control"}, {"name": "again"}],
    }
)

WAYS: dict[ExperimentState, tuple[ExperimentState, ...]] = {
    ExperimentState.SUBMITTED: (),
    ExperimentState.PLANNING: (ExperimentState.PLANNING,),
    ExperimentState.RUNNING: (ExperimentState.PLANNING, ExperimentState.RUNNING),
    ExperimentState.PAUSED: (
        ExperimentState.PLANNING,
        ExperimentState.RUNNING,
        ExperimentState.PAUSED,
    ),
    ExperimentState.CANCELLING: (ExperimentState.CANCELLING,),
    ExperimentState.FINISHED: (
        ExperimentState.PLANNING,
        ExperimentState.RUNNING,
        ExperimentState.FINISHED,
    ),
    ExperimentState.FAILED: (ExperimentState.FAILED,),
    ExperimentState.CANCELLED: (ExperimentState.CANCELLING, ExperimentState.CANCELLED),
}
"""How an experiment gets into each state."""


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def engine(database: sa.URL) -> Iterator[sa.Engine]:
    opened = open_register_database(database)
    yield opened
    opened.dispose()


@pytest.fixture
def register(engine: sa.Engine, clock: Clock) -> ExperimentRegister:
    return ExperimentRegister(engine, clock)


@pytest.fixture
def own_id() -> str:
    return f"trial-{uuid4().hex}"


def test_what_was_submitted_is_there_as_it_was(
    register: ExperimentRegister, own_id: str, clock: Clock
) -> None:
    register.submit(own_id, SPEC, "growth")
    found = register.get(own_id)
    assert found.spec == SPEC
    assert (found.owner, found.state, found.reason) == (
        "growth",
        ExperimentState.SUBMITTED,
        "",
    )
    assert found.submitted_at == found.changed_at == clock.now
    with pytest.raises(ExperimentExists):
        register.submit(own_id, SPEC, "search")
    with pytest.raises(ExperimentNotFound, match="nowhere"):
        register.get("nowhere")


@pytest.mark.parametrize("source", ExperimentState)
@pytest.mark.parametrize("target", ExperimentState)
def test_a_state_is_reached_from_those_that_lead_to_it_and_no_other(
    register: ExperimentRegister,
    own_id: str,
    clock: Clock,
    source: ExperimentState,
    target: ExperimentState,
) -> None:
    register.submit(own_id, SPEC, "growth")
    for state in WAYS[source]:
        register.move(own_id, state)
    clock.now += 5
    if source in SOURCES[target]:
        register.move(own_id, target, "Because.")
        found = register.get(own_id)
        assert (found.state, found.reason, found.changed_at) == (target, "Because.", clock.now)
    elif source is target:
        register.move(own_id, target, "Again.")
        assert register.get(own_id).changed_at < clock.now
    else:
        with pytest.raises(WrongExperimentState, match=f"is {source}"):
            register.move(own_id, target)
        assert register.get(own_id).state is source


def test_experiments_are_found_by_state_in_the_order_of_submission(
    register: ExperimentRegister, clock: Clock
) -> None:
    own = [f"order-{letter}-{uuid4().hex}" for letter in "cab"]
    for experiment_id in own:
        register.submit(experiment_id, SPEC, "growth")
        clock.now += 1
    register.move(own[1], ExperimentState.FAILED)
    found = [
        one.experiment_id
        for one in register.find({ExperimentState.SUBMITTED})
        if one.experiment_id in own
    ]
    assert found == [own[0], own[2]]
    assert register.find(()) == []


def test_an_experiment_is_untold_until_its_owners_were_told_of_its_state(
    register: ExperimentRegister, own_id: str
) -> None:
    def is_untold(state: ExperimentState) -> bool:
        return own_id in [one.experiment_id for one in register.find_untold({state})]

    register.submit(own_id, SPEC, "growth")
    assert is_untold(ExperimentState.SUBMITTED)
    register.note_told(own_id, ExperimentState.SUBMITTED)
    assert not is_untold(ExperimentState.SUBMITTED)
    register.move(own_id, ExperimentState.FAILED, "Why.")
    assert is_untold(ExperimentState.FAILED)
    assert not is_untold(ExperimentState.SUBMITTED)


def test_experiments_are_found_a_few_at_a_time(
    register: ExperimentRegister, clock: Clock
) -> None:
    own = sorted(f"page-{uuid4().hex}" for _ in range(5))
    for experiment_id in own:  # two at each moment
        register.submit(experiment_id, SPEC, "growth")
        clock.now += own.index(experiment_id) % 2
    every = [one.experiment_id for one in register.find([*ExperimentState])]
    found = [one.experiment_id for one in register.find([*ExperimentState], most=2)]
    while more := register.find([*ExperimentState], after=found[-1], most=2):
        assert len(more) <= 2
        found += [one.experiment_id for one in more]
    assert found == every
    assert set(own) <= set(found)
    with pytest.raises(ExperimentNotFound):
        register.find([*ExperimentState], after="nowhere")


def test_each_attempt_at_a_step_is_kept_and_one_whose_process_died_is_ended_by_the_next(
    register: ExperimentRegister, own_id: str, clock: Clock
) -> None:
    assert register.begin_step(own_id, "plan", "host/1") == 1
    clock.now += 10
    assert register.begin_step(own_id, "plan", "host/2") == 2
    clock.now += 10
    register.end_step(own_id, "plan", 2, None)
    clock.now += 10
    register.end_step(own_id, "plan", 2, "too late")
    assert register.begin_step(own_id, "measure", "host/3") == 1
    began = clock.now - 30
    assert [
        (one.name, one.attempt, one.process, one.began_at, one.ended_at, one.error)
        for one in register.steps(own_id)
    ] == [
        ("plan", 1, "host/1", began, began + 10, "Its process ended."),
        ("plan", 2, "host/2", began + 10, began + 20, None),
        ("measure", 1, "host/3", began + 30, None, None),
    ]


def test_an_office_is_held_by_one_until_it_runs_out(
    register: ExperimentRegister, clock: Clock
) -> None:
    office = uuid4().hex
    assert register.lead(office, "a", 10)
    assert not register.lead(office, "b", 10)
    clock.now += 9_000_000
    assert register.lead(office, "a", 10)
    clock.now += 9_000_000
    assert not register.lead(office, "b", 10)
    clock.now += 1_000_000
    assert register.lead(office, "b", 10)
    assert not register.lead(office, "a", 10)


def test_of_many_who_want_an_office_at_once_one_has_it(register: ExperimentRegister) -> None:
    office, has = uuid4().hex, []

    def want(name: str) -> None:
        if register.lead(office, name, 10):
            has.append(name)

    threads = [threading.Thread(target=want, args=(f"process {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(has) == 1


def test_processes_are_known_from_when_they_were_first_and_last_heard_of(
    register: ExperimentRegister, clock: Clock
) -> None:
    names = [f"{uuid4().hex}/{number}" for number in range(2)]
    register.hear(names[0], "worker", "waiting")
    clock.now += 7
    register.hear(names[0], "worker", "making pages")
    register.hear(names[1], "controller", "leading")
    heard = [one for one in register.heard() if one.name in names]
    assert [(one.role, one.doing, one.heard_at - one.began_at) for one in heard] == [
        ("controller", "leading", 0),
        ("worker", "making pages", 7),
    ]
    clock.now += 9_000_000
    register.hear(names[1], "controller", "leading")
    register.forget_silent(9.5)
    assert len([one for one in register.heard() if one.name in names]) == 2
    register.forget_silent(8.5)
    assert [one.name for one in register.heard() if one.name in names] == [names[1]]
