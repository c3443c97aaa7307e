"""Become another program that dies with its owner: SCRIPT OWNER_PID PROGRAM [ARGUMENT ...].

Linux kills the program when the thread that started it ends, however it ends: SIGKILL of
the owner included. Run as a script in isolated mode, so that it starts in milliseconds.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the death signal, then become the program."""
    owner_pid = int(sys.argv[1])
    program = sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != owner_pid:  # it died before it was asked for
        os._exit(1)
    os.execv(program[0], program)  # noqa: S606 - the caller's own program, without a shell


if __name__ == "__main__":
    main()
