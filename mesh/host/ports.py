"""Ports that stay reserved while the processes that listen on them come and go."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from mesh.call.addresses import Address, explain_bind_failure

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class ReservedPort:
    """A port that nobody else is given; our own processes may listen on it.

    The socket is bound and never listens. Linux lets another socket of the same user listen
    there when both allow the reuse of addresses, as gRPC, Envoy and Python's servers do; but
    it gives the port to nobody who asks for any.

    Args:
        asked: The address; port 0 means any free one.
        field: Argument that gave it, for messages.

    Attributes:
        address: The address with its port.

    Raises:
        AddressInUse: Somebody already listens there.
        InvalidInput: The address is not of this machine.
    """

    def __init__(self, asked: Address, *, field: str) -> None:
        family = socket.AF_INET6 if ":" in asked.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((asked.host, asked.port))
        except OSError:
            self._socket.close()
            raise explain_bind_failure(asked, field=field) from None
        self.address = Address(asked.host, self._socket.getsockname()[1])

    def close(self) -> None:
        """Release the port."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()
