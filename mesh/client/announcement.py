"""Discovery of running meshes: each writes a file that exists as long as the mesh runs.

The file is locked by the mesh. The kernel lets the lock go with the process, however that
ends, so a file without one is of a mesh that is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_log = structlog.get_logger("mesh.client")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A mesh of this machine.

    Attributes:
        address: host:port that clients call.
        control_address: host:port of MeshService.
        metrics_address: host:port of the control plane's endpoint /metrics.
        envoy_metrics_address: host:port of Envoy's endpoint /stats/prometheus.
        directory: Holds the logs.
        process_id: The host's.
        tls: Holds the certificates of a mesh that asks for them.
    """

    address: str
    control_address: str
    metrics_address: str
    envoy_metrics_address: str
    directory: Path
    process_id: int
    tls: Path | None = None


def announcement_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the folder of announcements, in the user's state folder (XDG).

    Not the runtime folder: that is only there in a login session, and both sides must agree.
    None for a user without a home.
    """
    named = Path(environment.get("XDG_STATE_HOME", ""))
    try:
        state = named if named.is_absolute() else Path.home() / ".local/state"
    except RuntimeError:
        return None
    return state / "pagesim" / "meshes"


@contextmanager
def announce(announcement: Announcement, folder: Path | None) -> Iterator[None]:
    """Announce the mesh while the block runs.

    A mesh whose announcement cannot be written runs all the same; it is found by its address.
    """
    if folder is None:
        _log.warning("mesh_not_announced", reason="the user has no home")
        yield
        return
    path = folder / f"{announcement.process_id}.json"
    unfinished = path.with_suffix(".unfinished")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        _log.warning("mesh_not_announced", folder=str(folder), reason=error.strerror)
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, _write(announcement))
        unfinished.rename(path)  # locked and whole from the moment it can be seen
        yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()
        os.close(descriptor)


def find_announcements(folder: Path | None) -> tuple[Announcement, ...]:
    """Return the meshes that run, oldest announcement first; clear away what others left."""
    found = []
    for path in folder.glob("*.json") if folder else ():
        with suppress(FileNotFoundError), path.open() as file:
            if _is_locked(file.fileno()):
                found.append((path.stat().st_mtime_ns, _read(json.load(file))))
            else:
                path.unlink()
    return tuple(announcement for _, announcement in sorted(found, key=lambda pair: pair[0]))


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _write(announcement: Announcement) -> bytes:
    values = {
        "address": announcement.address,
        "control_address": announcement.control_address,
        "metrics_address": announcement.metrics_address,
        "envoy_metrics_address": announcement.envoy_metrics_address,
        "directory": str(announcement.directory),
        "process_id": announcement.process_id,
        "tls": str(announcement.tls) if announcement.tls else None,
    }
    return json.dumps(values).encode()


def _read(values: dict[str, Any]) -> Announcement:
    return Announcement(
        address=str(values["address"]),
        control_address=str(values["control_address"]),
        metrics_address=str(values["metrics_address"]),
        envoy_metrics_address=str(values["envoy_metrics_address"]),
        directory=Path(values["directory"]),
        process_id=int(values["process_id"]),
        tls=Path(values["tls"]) if values.get("tls") else None,
    )
