"""Keeping a lease: a thread renews it while a block runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from core.errors import PagesimError
from mesh.errors import UnknownStack

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

_RENEWALS_PER_LEASE = 3

_log = structlog.get_logger("mesh.client")


class KeptLease:
    """Renew a lease within a `with` block.

    Args:
        renew: Renews the lease of a stack.
        stack_id: The stack.
        lease_seconds: How long it stays without being renewed.
    """

    def __init__(
        self, renew: Callable[[str], object], stack_id: str, lease_seconds: float
    ) -> None:
        self._renew = renew
        self._stack_id = stack_id
        self._pause_seconds = lease_seconds / _RENEWALS_PER_LEASE
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._keep, name=f"lease-{stack_id}", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._ended.wait(self._pause_seconds):
            try:
                self._renew(self._stack_id)
            except UnknownStack as error:
                if not self._ended.is_set():
                    _log.error("lease_lost", stack=self._stack_id, reason=str(error))
                return
            except PagesimError as error:
                _log.warning("lease_not_renewed", stack=self._stack_id, reason=str(error))
