"""The register of experiments: what was submitted, what becomes of it, and who works on it.

It holds no page and no chunk. A process that dies leaves nothing in it that another could not
go on with: every change is one short transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from experiments.errors import ExperimentExists, ExperimentNotFound, WrongExperimentState
from experiments.register import schema
from experiments.register.states import SOURCES, ExperimentState
from experiments.spec import read_document
from timetravel.database.engine import changing, create_engine, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from experiments.spec import ExperimentSpec
    from timetravel.facts.model import JsonValue

MICROS_PER_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Experiment:
    """Describe an experiment of the register.

    Attributes:
        experiment_id: Names it.
        owner: Who submitted it.
        document: The experiment file, as `ExperimentSpec.to_document` gives it.
        state: How far it is.
        reason: Why it failed; empty otherwise.
        submitted_at: In microseconds.
        changed_at: When it got into its state, in microseconds.
        told: The state that its owners were told of last; empty before the first.
    """

    experiment_id: str
    owner: str
    document: Mapping[str, JsonValue]
    state: ExperimentState
    reason: str
    submitted_at: int
    changed_at: int
    told: str = ""

    @property
    def spec(self) -> ExperimentSpec:
        """The experiment."""
        return read_document(self.document)


@dataclass(frozen=True, slots=True)
class StepAttempt:
    """Describe an attempt at a step of an experiment.

    Attributes:
        name: Of the step.
        attempt: From 1.
        process: Which made it.
        began_at: In microseconds.
        ended_at: In microseconds; None while it goes on.
        error: What it failed with; None if it did not.
    """

    name: str
    attempt: int
    process: str
    began_at: int
    ended_at: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class HeardProcess:
    """Describe a process of a server.

    Attributes:
        name: HOST/PID.
        role: What it is for, e.g. "worker".
        doing: What it does now, in words.
        began_at: When it was first heard of, in microseconds.
        heard_at: When it was last heard of, in microseconds.
    """

    name: str
    role: str
    doing: str
    began_at: int
    heard_at: int


class ExperimentRegister:
    """The experiments of a server.

    Args:
        engine: Of the database that holds the tables.
        now_micros: The clock.
    """

    def __init__(self, engine: sa.Engine, now_micros: Callable[[], int]) -> None:
        self._engine = engine
        self._now = now_micros

    def submit(self, experiment_id: str, spec: ExperimentSpec, owner: str) -> Experiment:
        """Take in an experiment.

        Raises:
            ExperimentExists: Another one has the id.
        """
        now = self._now()
        taken = Experiment(
            experiment_id, owner, spec.to_document(), ExperimentState.SUBMITTED, "", now, now
        )
        values = {name: getattr(taken, name) for name in Experiment.__dataclass_fields__}
        try:
            with changing(self._engine) as connection:
                connection.execute(schema.experiment.insert().values(values))
        except sa.exc.IntegrityError:
            raise ExperimentExists(
                f"There is an experiment {experiment_id!r} already.",
                remedy="Submit it under another id.",
                field="experiment_id",
            ) from None
        return taken

    def get(self, experiment_id: str) -> Experiment:
        """Return an experiment.

        Raises:
            ExperimentNotFound: There is none of that id.
        """
        wanted = schema.experiment.c.experiment_id == experiment_id
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(schema.experiment).where(wanted)).one_or_none()
        if row is None:
            raise ExperimentNotFound(
                f"There is no experiment {experiment_id!r}.",
                remedy="List those that there are: pagesim experiment list",
                field="experiment_id",
            )
        return _experiment(row)

    def find(
        self,
        states: Collection[ExperimentState],
        *,
        after: str = "",
        most: int | None = None,
    ) -> Sequence[Experiment]:
        """Return the experiments in some states, in the order in which they were submitted.

        Args:
            states: Theirs.
            after: Id of an experiment; only those that follow it. Empty means all.
            most: How many at most; None means all.

        Raises:
            ExperimentNotFound: There is none to follow.
        """
        columns = schema.experiment.c
        order = (columns.submitted_at, columns.experiment_id)
        found = (
            sa.select(schema.experiment)
            .where(columns.state.in_([*states]))
            .order_by(*order)
            .limit(most)
        )
        if after:
            last = self.get(after)
            found = found.where(sa.tuple_(*order) > (last.submitted_at, last.experiment_id))
        with reading(self._engine) as connection:
            return [_experiment(row) for row in connection.execute(found)]

    def move(self, experiment_id: str, target: ExperimentState, reason: str = "") -> None:
        """Bring an experiment into a state; one that is in it already stays as it is.

        Args:
            experiment_id: Which one.
            target: The state.
            reason: Why it fails.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It is in a state from which it cannot get there.
        """
        columns = schema.experiment.c
        changed = (
            schema.experiment.update()
            .where(columns.experiment_id == experiment_id, columns.state.in_(SOURCES[target]))
            .values(state=target, reason=reason, changed_at=self._now())
        )
        with changing(self._engine) as connection:
            if connection.execute(changed).rowcount:
                return
        found = self.get(experiment_id)
        if found.state is not target:
            sources = ", ".join(sorted(SOURCES[target]))
            raise WrongExperimentState(
                f"Experiment {experiment_id} is {found.state}: it cannot become {target}.",
                remedy=f"Only one that is {sources} can.",
                field="experiment_id",
            )

    def extend(self, experiment_id: str, spec: ExperimentSpec) -> None:
        """Let an experiment that is over be planned again, as it is described now.

        Raises:
            ExperimentNotFound: There is none of that id.
            WrongExperimentState: It is neither finished nor failed.
        """
        columns, target = schema.experiment.c, ExperimentState.PLANNING
        over = (ExperimentState.FINISHED, ExperimentState.FAILED)
        changed = (
            schema.experiment.update()
            .where(columns.experiment_id == experiment_id, columns.state.in_(over))
            .values(
                document=spec.to_document(),
                state=target,
                reason="",
                changed_at=self._now(),
                told="",
            )
        )
        with changing(self._engine) as connection:
            if connection.execute(changed).rowcount:
                return
        raise WrongExperimentState(
            f"Experiment {experiment_id} is {self.get(experiment_id).state}: it cannot be "
            "extended.",
            remedy="Only one that is failed or finished can.",
            field="experiment_id",
        )

    def find_untold(self, states: Collection[ExperimentState]) -> Sequence[Experiment]:
        """Return the experiments in some states of which their owners were not told."""
        return [one for one in self.find(states) if one.told != one.state]

    def note_told(self, experiment_id: str, state: ExperimentState) -> None:
        """Note that the owners of an experiment were told of a state."""
        own = schema.experiment.c.experiment_id == experiment_id
        with changing(self._engine) as connection:
            connection.execute(schema.experiment.update().where(own).values(told=state))

    def begin_step(self, experiment_id: str, name: str, process: str) -> int:
        """Note that a step is tried; return the number of the attempt, from 1.

        An attempt that goes on according to the register has died: it is ended first.
        """
        columns = schema.step.c
        own = (columns.experiment_id == experiment_id, columns.name == name)
        now = self._now()
        with changing(self._engine) as connection:
            connection.execute(
                schema.step.update()
                .where(*own, columns.ended_at.is_(None))
                .values(ended_at=now, error="Its process ended.")
            )
            last = connection.execute(sa.select(sa.func.max(columns.attempt)).where(*own))
            attempt = (last.scalar_one() or 0) + 1
            connection.execute(
                schema.step.insert().values(
                    experiment_id=experiment_id,
                    name=name,
                    attempt=attempt,
                    process=process,
                    began_at=now,
                )
            )
        return attempt

    def end_step(self, experiment_id: str, name: str, attempt: int, error: str | None) -> None:
        """Note how an attempt at a step ended; one that has ended already stays as it is."""
        columns = schema.step.c
        with changing(self._engine) as connection:
            connection.execute(
                schema.step.update()
                .where(
                    columns.experiment_id == experiment_id,
                    columns.name == name,
                    columns.attempt == attempt,
                    columns.ended_at.is_(None),
                )
                .values(ended_at=self._now(), error=error)
            )

    def steps(self, experiment_id: str) -> Sequence[StepAttempt]:
        """Return every attempt at every step of an experiment, by when it began."""
        columns = [schema.step.c[name] for name in StepAttempt.__dataclass_fields__]
        found = (
            sa.select(*columns)
            .where(schema.step.c.experiment_id == experiment_id)
            .order_by(schema.step.c.began_at, schema.step.c.name, schema.step.c.attempt)
        )
        with reading(self._engine) as connection:
            return [StepAttempt(*row) for row in connection.execute(found)]

    def lead(self, office: str, holder: str, seconds: float) -> bool:
        """Take an office or keep it; return whether the holder has it now.

        Args:
            office: What only one process may do.
            holder: Who wants it.
            seconds: After which anybody may have it, unless it is taken again.
        """
        columns, now = schema.leadership.c, self._now()
        until = now + round(seconds * MICROS_PER_SECOND)
        is_free = sa.or_(columns.holder == holder, columns.until <= now)
        taken = (
            schema.leadership.update()
            .where(columns.office == office, is_free)
            .values(holder=holder, until=until)
        )
        with changing(self._engine) as connection:
            if connection.execute(taken).rowcount:
                return True
            if connection.execute(
                sa.select(columns.holder).where(columns.office == office)
            ).one_or_none():
                return False
        try:
            with changing(self._engine) as connection:
                connection.execute(
                    schema.leadership.insert().values(office=office, holder=holder, until=until)
                )
        except sa.exc.IntegrityError:  # another process was first
            return False
        return True

    def hear(self, name: str, role: str, doing: str) -> None:
        """Note that a process is alive, and what it does."""
        columns, now = schema.process.c, self._now()
        heard = (
            schema.process.update()
            .where(columns.name == name)
            .values(doing=doing, heard_at=now)
        )
        with changing(self._engine) as connection:
            if not connection.execute(heard).rowcount:
                connection.execute(
                    schema.process.insert().values(
                        name=name, role=role, doing=doing, began_at=now, heard_at=now
                    )
                )

    def forget(self, name: str) -> None:
        """Drop a process that has ended."""
        with changing(self._engine) as connection:
            connection.execute(schema.process.delete().where(schema.process.c.name == name))

    def forget_silent(self, seconds: float) -> None:
        """Drop the processes that were not heard of for so long."""
        until = self._now() - round(seconds * MICROS_PER_SECOND)
        with changing(self._engine) as connection:
            connection.execute(schema.process.delete().where(schema.process.c.heard_at < until))

    def heard(self) -> Sequence[HeardProcess]:
        """Return the processes that were heard of, by role and name."""
        columns = [schema.process.c[name] for name in HeardProcess.__dataclass_fields__]
        found = sa.select(*columns).order_by(schema.process.c.role, schema.process.c.name)
        with reading(self._engine) as connection:
            return [HeardProcess(*row) for row in connection.execute(found)]


def _experiment(row: sa.Row[Any]) -> Experiment:
    values = row._asdict()
    return Experiment(**{**values, "state": ExperimentState(values["state"])})


def open_register_database(url: sa.URL) -> sa.Engine:
    """Return the engine of a database that has the tables of the register."""
    engine = create_engine(url)
    with changing(engine) as connection:
        schema.metadata.create_all(connection)
    return engine
