"""Files that are there whole or not at all: written under another name, then renamed."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNFINISHED: Final = ".unfinished"
"""How the names of files end that a killed process may leave behind; they begin with a dot."""

_PUBLIC: Final = 0o666
_PRIVATE: Final = 0o600


@contextmanager
def atomic_file(target: Path, *, private: bool = False) -> Iterator[Path]:
    """Yield an empty file to write; it replaces the target when the block ends without error.

    The file lies beside the target under a name that no other writer uses, and is on disk
    before it is renamed. After an error it is removed and the target is as it was. It is locked
    meanwhile, by which `is_being_written` knows it.

    Args:
        target: What is written. Its folder must be there.
        private: Whether only this user may read and write it.
    """
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}{UNFINISHED}")
    created = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    descriptor = os.open(unfinished, created, _PRIVATE if private else _PUBLIC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield unfinished
        os.fsync(descriptor)
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def remove_unfinished(directory: Path) -> int:
    """Remove what killed processes left unfinished below a directory; return how many files."""
    left = [
        path
        for path in directory.rglob(f".*{UNFINISHED}")
        if path.is_file() and not is_being_written(path)
    ]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def is_being_written(unfinished: Path) -> bool:
    """Return whether a process still writes an unfinished file; False of one that is gone."""
    try:
        descriptor = os.open(unfinished, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
