"""Readiness of programs that write no ready line: they listen on their port."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mesh.call.addresses import Address
    from mesh.process.child_process import ChildProcess

_PAUSE_SECONDS = 0.02
_CONNECT_SECONDS = 1.0


def wait_listening(child: ChildProcess, address: Address, timeout_seconds: float) -> None:
    """Wait until the child takes connections at the address, which nobody else can.

    Raises:
        ProcessFailed: It ended first, or does not listen in time; the message holds the end
            of its log.
    """
    deadline = time.monotonic() + timeout_seconds
    while not _listens(address):
        reason = child.exit_reason()
        if reason is not None:
            raise child.failure(f"{child.name} ended with {reason} before it was ready")
        if time.monotonic() > deadline:
            raise child.failure(
                f"{child.name} does not listen on {address} after {timeout_seconds:g} seconds"
            )
        time.sleep(_PAUSE_SECONDS)


def _listens(address: Address) -> bool:
    try:
        socket.create_connection((address.host, address.port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
