"""Run a program that is not Python as a service: python -m mesh.program PROGRAM.

The program takes this process over, with what the mesh adds to the arguments; what it has to
do with them is told in docs/own-services.md.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Become the program."""
    if len(sys.argv) < 2:  # noqa: PLR2004 - our own name and the program's
        sys.exit("usage: python -m mesh.program PROGRAM [ARGUMENT ...]")
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - what the stack asks for, no shell
    except OSError as error:
        sys.exit(f"{sys.argv[1]} cannot be run: {error.strerror}.")


if __name__ == "__main__":
    main()
