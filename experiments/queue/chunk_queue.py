"""Chunks of partitions, leased to workers until they are made.

A worker leases a chunk, makes its pages, writes its files, and acknowledges it. If it dies, the
lease runs out and another worker makes the chunk again, to the same files. Each lease has a
fencing token, and only that of the newest one is taken: a worker that was given up changes
nothing. A chunk that has failed as often as it may is a dead letter, until it is posted again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from experiments.errors import LeaseLost
from experiments.queue.schema import ChunkState, attempt, chunk, metadata
from timetravel.database.engine import changing, create_engine, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MICROS_PER_SECOND: Final = 1_000_000
LEASE_RAN_OUT: Final = "the lease ran out"
RECLAIMED: Final = "the process that held it ended"


@dataclass(frozen=True, slots=True)
class Lease:
    """Hold a chunk for a while.

    Attributes:
        partition: Of the chunk.
        number: Of the chunk in its partition.
        token: Counts the leases of this chunk, from 1.
    """

    partition: str
    number: int
    token: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A chunk that failed as often as it may, and the error of the last time."""

    partition: str
    number: int
    attempts: int
    error: str


@dataclass(frozen=True, slots=True)
class DoneChunk:
    """A chunk of which all pages were tried.

    Attributes:
        number: Of the chunk in its partition.
        pages: How many it has.
        failures: Pages that could not be made, by the reason.
    """

    number: int
    pages: int
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """Say how far a partition is.

    Attributes:
        partition: Which one.
        chunks: How many there are in each state that occurs.
        pages: Of all its chunks.
        tried: Pages of the chunks that are done.
        failures: Of these, how many could not be made.
    """

    partition: str
    chunks: Mapping[ChunkState, int]
    pages: int
    tried: int
    failures: int

    def count(self, state: ChunkState) -> int:
        """Return how many chunks are in a state."""
        return self.chunks.get(state, 0)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A lease of a chunk that made nothing; moments in microseconds."""

    partition: str
    number: int
    worker: str
    began_at: int
    ended_at: int
    error: str


class ChunkQueue:
    """The chunks of one run.

    Args:
        engine: Of the database that holds the tables.
        run_id: Tells the chunks of this run from those of others.
        attempts: How often a chunk is tried at most.
        now_micros: The clock.
    """

    def __init__(
        self,
        engine: sa.Engine,
        run_id: str,
        *,
        attempts: int,
        now_micros: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._run_id = run_id
        self._attempts = attempts
        self._now = now_micros

    def post(self, partition: str, sizes: Iterable[int]) -> None:
        """Add chunks of so many pages to a partition; those that are there already stay.

        Args:
            partition: Theirs.
            sizes: Pages of each, by number from 0.
        """
        with changing(self._engine) as connection:
            known = set(
                connection.execute(
                    sa.select(chunk.c.number).where(*self._of(partition))
                ).scalars()
            )
            new = [
                {
                    "run_id": self._run_id,
                    "partition": partition,
                    "number": number,
                    "pages": pages,
                    "state": ChunkState.WAITING,
                    "token": 0,
                    "attempts": 0,
                    "available_at": 0,
                }
                for number, pages in enumerate(sizes)
                if number not in known
            ]
            if new:
                connection.execute(chunk.insert(), new)

    def lease(self, partition: str, worker: str, seconds: float) -> Lease | None:
        """Take the first chunk that is to be made; None if there is none now.

        Args:
            partition: Of which one.
            worker: Who makes it.
            seconds: How long it is nobody else's, unless it is renewed.
        """
        first = (
            sa.select(chunk)
            .where(*self._of(partition), self._is_due())
            .order_by(chunk.c.number)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        while True:
            with changing(self._engine) as connection:
                due = connection.execute(first).one_or_none()
                if due is None:
                    return None
                if due.state == ChunkState.LEASED:
                    self._end_attempt(connection, partition, due.number, LEASE_RAN_OUT)
                    if due.attempts >= self._attempts:
                        self._change(
                            connection,
                            Lease(partition, due.number, due.token),
                            state=ChunkState.DEAD,
                            error=LEASE_RAN_OUT,
                        )
                        continue
                return self._lease(connection, partition, due, worker, seconds)

    def renew(self, lease: Lease, seconds: float) -> None:
        """Let a lease begin anew.

        Raises:
            LeaseLost: Another worker has the chunk.
        """
        with changing(self._engine) as connection:
            self._change(connection, lease, leased_until=self._after(seconds))

    def acknowledge(self, lease: Lease, failures: Mapping[str, int]) -> None:
        """Note that a chunk is done: its files are there.

        Args:
            lease: Of the chunk.
            failures: Pages of it that could not be made, by the reason.

        Raises:
            LeaseLost: Another worker has the chunk.
        """
        with changing(self._engine) as connection:
            self._change(
                connection, lease, state=ChunkState.DONE, result=dict(failures), error=None
            )
            self._end_attempt(connection, lease.partition, lease.number, None)

    def fail(self, lease: Lease, error: str, *, pause_seconds: float) -> bool:
        """Give a chunk back that could not be made; return whether it will be tried again.

        Args:
            lease: Of the chunk.
            error: What kept it from being made.
            pause_seconds: When it may be tried again at the earliest.

        Raises:
            LeaseLost: Another worker has the chunk.
        """
        with changing(self._engine) as connection:
            state = self._change(
                connection,
                lease,
                state=self._given_back(),
                available_at=self._after(pause_seconds),
                error=error,
            )
            self._end_attempt(connection, lease.partition, lease.number, error)
        return state == ChunkState.WAITING

    def reclaim(self) -> int:
        """Take back all leases, as nobody holds them any more; return how many there were.

        An attempt that ended so counts: a chunk that ends every process is a dead letter, too.
        """
        leased = (chunk.c.run_id == self._run_id, chunk.c.state == ChunkState.LEASED)
        with changing(self._engine) as connection:
            held = connection.execute(
                sa.select(chunk.c.partition, chunk.c.number).where(*leased)
            ).all()
            for partition, number in held:
                self._end_attempt(connection, partition, number, RECLAIMED)
            connection.execute(
                chunk.update()
                .where(*leased)
                .values(state=self._given_back(), available_at=0, error=RECLAIMED)
            )
        return len(held)

    def post_again(self) -> int:
        """Let every dead letter be tried anew, as often as at first; return how many."""
        is_dead = (chunk.c.run_id == self._run_id, chunk.c.state == ChunkState.DEAD)
        with changing(self._engine) as connection:
            # Tokens go on from where they were: no lease of before fits a chunk of now.
            posted = connection.execute(
                chunk.update()
                .where(*is_dead)
                .values(state=ChunkState.WAITING, attempts=0, available_at=0)
            )
        return posted.rowcount

    def count(self, partition: str) -> Mapping[ChunkState, int]:
        """Return how many chunks of a partition are in each state that occurs."""
        counted = (
            sa.select(chunk.c.state, sa.func.count())
            .where(*self._of(partition))
            .group_by(chunk.c.state)
        )
        with reading(self._engine) as connection:
            return {ChunkState(state): count for state, count in connection.execute(counted)}

    def find_due(self) -> Sequence[str]:
        """Return the partitions that have a chunk to be made now, by name."""
        found = (
            sa.select(chunk.c.partition)
            .where(chunk.c.run_id == self._run_id, self._is_due())
            .distinct()
            .order_by(chunk.c.partition)
        )
        with reading(self._engine) as connection:
            return connection.execute(found).scalars().all()

    def count_held(self) -> int:
        """Return how many chunks are leased, and their leases have not run out."""
        found = sa.select(sa.func.count()).where(
            chunk.c.run_id == self._run_id,
            chunk.c.state == ChunkState.LEASED,
            chunk.c.leased_until > self._now(),
        )
        with reading(self._engine) as connection:
            return connection.execute(found).scalar_one()

    def remove(self) -> None:
        """Remove all chunks of the run, and their attempts."""
        with changing(self._engine) as connection:
            connection.execute(chunk.delete().where(chunk.c.run_id == self._run_id))
            connection.execute(attempt.delete().where(attempt.c.run_id == self._run_id))

    def done(self, partition: str) -> Sequence[DoneChunk]:
        """Return the chunks of a partition that are done, by number."""
        found = (
            sa.select(chunk.c.number, chunk.c.pages, chunk.c.result)
            .where(*self._of(partition), chunk.c.state == ChunkState.DONE)
            .order_by(chunk.c.number)
        )
        with reading(self._engine) as connection:
            return [DoneChunk(*row) for row in connection.execute(found)]

    def progress(self) -> Sequence[PartitionProgress]:
        """Return how far each partition is, by its name."""
        counted = (
            sa.select(
                chunk.c.partition, chunk.c.state, sa.func.count(), sa.func.sum(chunk.c.pages)
            )
            .where(chunk.c.run_id == self._run_id)
            .group_by(chunk.c.partition, chunk.c.state)
            .order_by(chunk.c.partition)
        )
        made = sa.select(chunk.c.partition, chunk.c.result).where(
            chunk.c.run_id == self._run_id, chunk.c.state == ChunkState.DONE
        )
        failures: Counter[str] = Counter()
        with reading(self._engine) as connection:
            rows = connection.execute(counted).all()
            for partition, result in connection.execute(made):
                failures[partition] += sum(result.values())
        told = []
        for partition, own in groupby(rows, key=lambda row: row.partition):
            states = {ChunkState(state): (count, int(pages)) for _, state, count, pages in own}
            told.append(
                PartitionProgress(
                    partition,
                    {state: count for state, (count, _) in states.items()},
                    sum(pages for _, pages in states.values()),
                    states.get(ChunkState.DONE, (0, 0))[1],
                    failures[partition],
                )
            )
        return told

    def failed_attempts(self, most: int) -> Sequence[FailedAttempt]:
        """Return the newest leases that made nothing, so many at most, newest first."""
        columns = [attempt.c[name] for name in FailedAttempt.__dataclass_fields__]
        found = (
            sa.select(*columns)
            .where(attempt.c.run_id == self._run_id, attempt.c.error.is_not(None))
            .order_by(attempt.c.ended_at.desc(), attempt.c.partition, attempt.c.number)
            .limit(most)
        )
        with reading(self._engine) as connection:
            return [FailedAttempt(*row) for row in connection.execute(found)]

    def measure_seconds(self, partition: str) -> float:
        """Return how long the leases of a partition that made something took, added up."""
        spent = sa.func.sum(attempt.c.ended_at - attempt.c.began_at)
        own = (attempt.c.run_id == self._run_id, attempt.c.partition == partition)
        with reading(self._engine) as connection:
            total = connection.execute(sa.select(spent).where(*own, attempt.c.error.is_(None)))
            return float(total.scalar_one() or 0) / MICROS_PER_SECOND

    def dead(self) -> Sequence[DeadLetter]:
        """Return the dead letters, by partition and number."""
        found = (
            sa.select(chunk.c.partition, chunk.c.number, chunk.c.attempts, chunk.c.error)
            .where(chunk.c.run_id == self._run_id, chunk.c.state == ChunkState.DEAD)
            .order_by(chunk.c.partition, chunk.c.number)
        )
        with reading(self._engine) as connection:
            return [DeadLetter(*row) for row in connection.execute(found)]

    def _lease(
        self,
        connection: sa.Connection,
        partition: str,
        due: sa.Row[Any],
        worker: str,
        seconds: float,
    ) -> Lease:
        lease = Lease(partition, due.number, due.token + 1)
        connection.execute(
            chunk.update()
            .where(*self._of(partition), chunk.c.number == due.number)
            .values(
                state=ChunkState.LEASED,
                token=lease.token,
                attempts=due.attempts + 1,
                leased_until=self._after(seconds),
            )
        )
        connection.execute(
            attempt.insert().values(
                run_id=self._run_id,
                partition=partition,
                number=due.number,
                token=lease.token,
                worker=worker,
                began_at=self._now(),
            )
        )
        return lease

    def _is_due(self) -> sa.ColumnElement[bool]:
        now = self._now()
        return sa.or_(
            sa.and_(chunk.c.state == ChunkState.WAITING, chunk.c.available_at <= now),
            sa.and_(chunk.c.state == ChunkState.LEASED, chunk.c.leased_until <= now),
        )

    def _given_back(self) -> sa.Case[str]:
        is_over = chunk.c.attempts >= self._attempts
        return sa.case((is_over, ChunkState.DEAD), else_=ChunkState.WAITING)

    def _change(self, connection: sa.Connection, lease: Lease, **values: object) -> str:
        """Change a chunk that is leased, and return the state in which it is then."""
        state = connection.execute(
            chunk.update()
            .where(
                *self._of(lease.partition),
                chunk.c.number == lease.number,
                chunk.c.state == ChunkState.LEASED,
                chunk.c.token == lease.token,
            )
            .values(**values)
            .returning(chunk.c.state)
        ).scalar_one_or_none()
        if state is None:
            raise LeaseLost(
                f"Lease {lease.token} of chunk {lease.number} of {lease.partition} is over.",
                remedy="Leave the chunk to the worker that has it now.",
            )
        return str(state)

    def _end_attempt(
        self, connection: sa.Connection, partition: str, number: int, error: str | None
    ) -> None:
        connection.execute(
            attempt.update()
            .where(
                attempt.c.run_id == self._run_id,
                attempt.c.partition == partition,
                attempt.c.number == number,
                attempt.c.ended_at.is_(None),
            )
            .values(ended_at=self._now(), error=error)
        )

    def _of(self, partition: str) -> tuple[sa.ColumnElement[bool], ...]:
        return chunk.c.run_id == self._run_id, chunk.c.partition == partition

    def _after(self, seconds: float) -> int:
        return self._now() + round(seconds * MICROS_PER_SECOND)


def open_queue_database(url: sa.URL) -> sa.Engine:
    """Return the engine of a database that has the tables of the queue."""
    engine = create_engine(url)
    with changing(engine) as connection:
        metadata.create_all(connection)
    return engine
