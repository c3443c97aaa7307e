"""What the control plane is about to do, recorded before it does it.

The journal is worth something only while the host lives that runs the processes it speaks of:
a new host begins a new one. So it has to survive SIGKILL of the control plane, not a loss of
power, and SQLite need not wait for the disk.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pagesim.mesh.v1 import mesh_pb2

from mesh.topology.baseline_file import format_baseline, parse_baseline
from mesh.topology.stack import StackState
from mesh.topology.translation import read_stack, write_stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mesh.topology.service_process import ServiceProcess
    from mesh.topology.stack import Stack

JOURNAL = "journal.db"

_TABLES = """
CREATE TABLE IF NOT EXISTS host (host_id TEXT NOT NULL, baseline TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS stack (
    stack_id TEXT PRIMARY KEY, state TEXT NOT NULL, body BLOB NOT NULL,
    lease_seconds REAL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stack as it was last written down."""

    stack: Stack
    state: StackState
    lease_seconds: float | None = None


class Journal:
    """The stacks and the baseline of one host.

    Args:
        path: The database; made if it is not there.
        host_id: The host; what another one left is thrown away.
        baseline: What runs for every stack, if nothing is written of this host yet.

    Attributes:
        baseline: What runs for every stack, as it was when the host started.
    """

    def __init__(self, path: Path, *, host_id: str, baseline: Sequence[ServiceProcess]) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)  # arguments of processes are nobody else's business
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)
        row = self._database.execute(
            "SELECT baseline FROM host WHERE host_id = ?", (host_id,)
        ).fetchone()
        if row is None:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("DELETE FROM stack")
            self._database.execute("DELETE FROM host")
            self._database.execute(
                "INSERT INTO host VALUES (?, ?)", (host_id, format_baseline(baseline))
            )
            self._database.execute("COMMIT")
        self.baseline = tuple(baseline) if row is None else parse_baseline(row[0], path)

    def record(
        self, stack: Stack, state: StackState, *, lease_seconds: float | None = None
    ) -> None:
        """Write down the stack, its state and the length of its lease."""
        body = write_stack(stack).SerializeToString(deterministic=True)
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO stack VALUES (?, ?, ?, ?)",
                (stack.stack_id, state.value, body, lease_seconds),
            )

    def forget(self, stack_id: str) -> None:
        """Write down that there is no such stack."""
        with self._lock:
            self._database.execute("DELETE FROM stack WHERE stack_id = ?", (stack_id,))

    def entries(self) -> tuple[Entry, ...]:
        """Return all stacks, ordered by id."""
        with self._lock:
            rows = self._database.execute(
                "SELECT body, state, lease_seconds FROM stack ORDER BY stack_id"
            ).fetchall()
        return tuple(
            Entry(read_stack(mesh_pb2.Stack.FromString(body)), StackState(state), lease)
            for body, state, lease in rows
        )

    def close(self) -> None:
        """Close the database."""
        self._database.close()
