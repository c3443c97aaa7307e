"""Launchers run the processes of a service: here, or on other machines."""

from mesh.launchers.launcher import Launch, Launcher, RunningProcess
from mesh.launchers.local import LocalLauncher
from mesh.launchers.restarts import RestartingLauncher

__all__ = ["Launch", "Launcher", "LocalLauncher", "RestartingLauncher", "RunningProcess"]
