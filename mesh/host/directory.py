"""The mesh directory: used by one mesh at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import WrongState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def claim_directory(directory: Path) -> Iterator[int]:
    """Yield the descriptor of the open directory, which is ours within the block.

    Raises:
        WrongState: Another mesh uses it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WrongState(
                f"Another mesh uses {directory}.",
                remedy="Stop it, or give this one a directory of its own.",
                field="--directory",
            ) from None
        yield opened
    finally:
        os.close(opened)
