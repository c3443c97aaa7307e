"""Addresses of sockets: host and port."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from mesh.errors import AddressInUse

if TYPE_CHECKING:
    from core.errors import PagesimError

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A host and a port; port 0 asks for any free one when listening."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str, *, field: str = "") -> Address:
    """Return the address written as host:port, or [host]:port for IPv6.

    Raises:
        InvalidInput: The text is no such thing.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) <= _LAST_PORT):
        raise InvalidInput(
            f"{text!r} is not an address.",
            remedy="Write host:port, e.g. 127.0.0.1:50051; port 0 means any free one.",
            field=field,
        )
    return Address(host, int(port))


def explain_bind_failure(address: Address, *, field: str) -> PagesimError:
    """Return the error that says why nobody can listen at the address.

    gRPC and Envoy only say that they failed; trying once more tells the reason.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
            probe.listen()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return InvalidInput(
                f"Cannot listen on {address}: {error.strerror or error}.",
                remedy="Give an address of this machine.",
                field=field,
            )
    return AddressInUse(
        f"Something already listens on {address}.",
        remedy="Stop it, or choose another port (0 means any free one).",
        field=field,
    )
