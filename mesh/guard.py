"""Become another program that dies with its owner: guard.py OWNER_PID LIMITS PROGRAM ...

Linux kills the program when the thread that started it ends, however it ends: SIGKILL of
the owner included. What the program started itself is killed by a watcher, a process of the
program's group that sleeps until the owner or the program has ended, then kills the group.
LIMITS is "-" or, e.g., "DATA=1000000,NOFILE=64,CPU=10". Run as a script in isolated mode, so
that it starts in milliseconds.
"""

import ctypes
import os
import resource
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_SECONDS_TO_DIE = 1  # after SIGXCPU, which a program may ignore, comes SIGKILL


def main() -> None:
    """Ask for the death signal, leave a watcher, then become the limited program."""
    owner_pid, limits, *program = int(sys.argv[1]), *sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != owner_pid:  # it died before it was asked for
        os._exit(1)
    _leave_watcher(owner_pid)
    _set_limits(limits)
    os.execv(program[0], program)  # noqa: S606 - the caller's own program, without a shell


def _leave_watcher(owner_pid: int) -> None:
    watched = [os.pidfd_open(owner_pid), os.pidfd_open(os.getpid())]
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        for one in watched:
            os.close(one)
    elif os.fork():
        os._exit(0)  # so that the watcher is no child of the program
    else:
        _watch(watched)


def _watch(watched: list[int]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_NAME, b"pagesim-watcher", 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the program
    start = 0
    for one in (*sorted(watched), os.sysconf("SC_OPEN_MAX")):
        os.closerange(start, one)  # the program's ready line ends with the program
        start = one + 1
    select.select(watched, [], [])
    os.killpg(0, signal.SIGKILL)


def _set_limits(limits: str) -> None:
    for limit in limits.split(",") if limits != "-" else ():
        name, _, amount = limit.partition("=")
        kind = getattr(resource, f"RLIMIT_{name}")
        soft = int(amount)
        resource.setrlimit(kind, (soft, soft + _SECONDS_TO_DIE if name == "CPU" else soft))


if __name__ == "__main__":
    main()
