"""A program for tests of limits and lifetimes: uses up what it is told to, or starts others.

`python -m tests.limited_process memory|files|cpu|family`, with the arguments that every
service takes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from mesh.serving import add_serving_arguments

_MANY = 10_000


def main() -> None:
    """Do what the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("deed", choices=("memory", "files", "cpu", "family"))
    parser.add_argument("--told", type=Path, help="gets the ids of the family's processes")
    add_serving_arguments(parser)
    namespace = parser.parse_args()
    match namespace.deed:
        case "memory":
            bytearray(4 << 30)
        case "files":
            [os.open(os.devnull, os.O_RDONLY) for _ in range(_MANY)]
        case "cpu":
            while True:
                pass
        case "family":
            with subprocess.Popen(
                [sys.executable, "-c", "import time; time.sleep(600)"]
            ) as one:
                partial = namespace.told.with_suffix(".part")
                partial.write_text(f"{os.getpid()} {one.pid}")
                partial.rename(namespace.told)
                one.wait()


if __name__ == "__main__":
    main()
