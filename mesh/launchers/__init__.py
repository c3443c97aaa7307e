"""Launchers run the processes of a service: here, or on other machines."""

from mesh.launchers.launcher import Launch, Launcher, RunningProcess
from mesh.launchers.local import LocalLauncher

__all__ = ["Launch", "Launcher", "LocalLauncher", "RunningProcess"]
