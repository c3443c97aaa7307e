"""Files that a process needs, such as models: named, and identified by their SHA-256."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from mesh.errors import WrongFile

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ProcessFile:
    """A file and what is in it.

    Attributes:
        path: Absolute path, on the machine where the process runs.
        sha256: SHA-256 of its content, in hexadecimal.

    Raises:
        InvalidInput: The path is not absolute, or the digest is malformed.
    """

    path: str
    sha256: str

    def __post_init__(self) -> None:
        if not Path(self.path).is_absolute() or "\0" in self.path:
            raise InvalidInput(
                f"{self.path!r} is not an absolute path.",
                remedy="Give the whole path of the file.",
                field="files",
            )
        if not _DIGEST.fullmatch(self.sha256):
            raise InvalidInput(
                f"{self.sha256!r} is not a SHA-256.",
                remedy=f"Give 64 hexadecimal digits, as `sha256sum {self.path}` prints them.",
                field="files",
            )


def check_names(files: Mapping[str, ProcessFile]) -> None:
    """Check the names of files.

    Raises:
        InvalidInput: One of them makes no environment variable.
    """
    for name in files:
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} is not a valid name of a file.",
                remedy="Use 1-63 of a-z, 0-9 and '_', starting with a letter.",
                field="files",
            )


def file_variables(files: Mapping[str, ProcessFile]) -> dict[str, str]:
    """Return the environment variables that tell a process where its files are."""
    return {f"PAGESIM_FILE_{name.upper()}": file.path for name, file in files.items()}


def check_contents(files: Mapping[str, ProcessFile]) -> None:
    """Check that every file holds what it should.

    Raises:
        WrongFile: One cannot be read, or holds something else.
    """
    for name, one in files.items():
        try:
            with Path(one.path).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WrongFile(
                f"File {name} cannot be read: {error}.",
                remedy="Put it where the stack says, readable for the mesh.",
                field="files",
            ) from None
        if found != one.sha256:
            raise WrongFile(
                f"File {name}, {one.path}, has SHA-256 {found}, not {one.sha256}.",
                remedy="Put the file back as it was, or give the digest that it has now.",
                field="files",
            )
