"""A PostgreSQL server of a test's own, which it may kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Final

import psutil

_PROGRAMS: Final = Path("/usr/lib/postgresql")


def find_programs() -> Path | None:
    """Return where the newest installed server's programs are, None if there is none."""
    found = sorted(_PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else None


class PostgresServer:
    """A server on a loopback port, with its data in a directory.

    Args:
        directory: Empty; the server's own user must be able to reach it.
        programs: Where the server's programs are.
    """

    def __init__(self, directory: Path, programs: Path) -> None:
        self._directory = directory
        self._programs = programs
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self._port: int = taken.getsockname()[1]
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(directory, "postgres")
        self._run("initdb", "--auth=trust", "--username=pagesim", "--no-sync")

    @property
    def url(self) -> str:
        """The store's URL."""
        return f"postgresql+psycopg://pagesim@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self._port} "
            f"-c unix_socket_directories={self._directory}"
        )
        log = f"--log={self._directory / 'log'}"
        self._run("pg_ctl", "--silent", "--wait", log, f"--options={options}", "start")

    def kill(self) -> None:
        """Kill the server and all that it started, at once."""
        first = (self._directory / "data" / "postmaster.pid").read_text().splitlines()[0]
        server = psutil.Process(int(first))
        everything = [server, *server.children(recursive=True)]
        for process in everything:
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(everything)

    def stop(self) -> None:
        """Stop the server."""
        self._run("pg_ctl", "--silent", "--mode=immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        data = f"--pgdata={self._directory / 'data'}"
        command = [str(self._programs / program), data, *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._directory)
