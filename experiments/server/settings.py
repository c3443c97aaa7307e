"""What every process of a server is told."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from experiments.generation.baseline import STORE_VARIABLE
from experiments.queue.chunk_queue import ChunkQueue, open_queue_database
from experiments.register.register import ExperimentRegister, open_register_database
from timetravel.database.engine import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping
    from pathlib import Path

    import sqlalchemy as sa

DATABASE_VARIABLE: Final = "PAGESIM_DATABASE"
DEFAULT_SERVER: Final = "127.0.0.1:50090"
"""Where a server is reached unless another address is named."""
CHUNK_ATTEMPTS: Final = 10
"""How often a chunk is tried: also workers that die, for reasons not its own, count."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Say where a server keeps what.

    Attributes:
        database_url: Holds register and queue. As it may have a password, it travels in the
            environment.
        store_url: Holds the facts; travels so, too.
        runs: Gets the directories of experiments.
        segments: Folder in which snapshots are laid out.
    """

    database_url: str
    store_url: str
    runs: Path
    segments: Path

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a process is told on its command line."""
        return ("--runs", str(self.runs), "--segments", str(self.segments))

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process is told in its environment."""
        return {DATABASE_VARIABLE: self.database_url, STORE_VARIABLE: self.store_url}

    @classmethod
    def take_from(
        cls, environment: MutableMapping[str, str], runs: Path, segments: Path
    ) -> ServerSettings:
        """Return the settings of a process that was started with `environment`.

        They are taken out of it: services that the process starts need no password.
        """
        database_url = environment.pop(DATABASE_VARIABLE)
        return cls(database_url, environment.pop(STORE_VARIABLE), runs, segments)

    def find_directory(self, experiment_id: str) -> Path:
        """Return the directory of an experiment's run."""
        return self.runs / experiment_id


@dataclass(frozen=True, slots=True)
class Tables:
    """Reach the tables that all processes of a server share.

    Attributes:
        engine: Of the database.
        register: The experiments.
    """

    engine: sa.Engine
    register: ExperimentRegister

    def open_queue(self, experiment_id: str) -> ChunkQueue:
        """Return the chunks of an experiment."""
        return ChunkQueue(
            self.engine, experiment_id, attempts=CHUNK_ATTEMPTS, now_micros=read_clock_micros
        )


@contextmanager
def open_tables(settings: ServerSettings) -> Iterator[Tables]:
    """Hold the tables of a server; they are made if they are not there."""
    url = parse_url(settings.database_url)
    open_register_database(url).dispose()
    engine = open_queue_database(url)
    try:
        yield Tables(engine, ExperimentRegister(engine, read_clock_micros))
    finally:
        engine.dispose()


def read_clock() -> datetime:
    """Return what time it is."""
    return datetime.now(UTC)


def read_clock_micros() -> int:
    """Return what time it is, in microseconds."""
    return time.time_ns() // 1_000


def name_process(process_id: int | None = None) -> str:
    """Return what a process of this machine is called in the tables: HOST/PID.

    Args:
        process_id: Of which one; this one if left out.
    """
    return f"{socket.gethostname()}/{process_id or os.getpid()}"
