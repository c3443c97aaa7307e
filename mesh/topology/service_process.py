"""A service and how to run it: a program, its arguments, environment, files and secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import InvalidInput
from mesh.errors import InvalidStack
from mesh.topology.process_files import check_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.topology.process_files import ProcessFile

_SERVICE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MAX_NAME = 200
_MAX_REPLICAS = 64


@dataclass(frozen=True, slots=True)
class ServiceProcess:
    """How to run one service.

    Attributes:
        service: Full gRPC name, e.g. "pagesim.ranking.v1.RankingService".
        module: Python module run with -m, e.g. "services.ranking"; empty for a command.
        arguments: Arguments after the module.
        environment: Environment variables added for the process.
        replicas: Processes to run.
        secrets: Names of environment variables that the process gets from the mesh's own
            environment, and that no other process gets. Of the baseline only.
        command: Program and arguments, instead of a module. "{address}" or "{port}" stands
            for where it has to listen, "{metrics_address}" for its Prometheus endpoint if any,
            "{mesh_address}" for where it calls others, "{ready_fd}" for the descriptor that
            gets its ready line; without that it is ready when it listens.
        files: File by name; checked before each start, and told to the process as
            PAGESIM_FILE_<NAME>.

    Raises:
        InvalidInput: A value cannot be run; the message names it.
    """

    service: str
    module: str = ""
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    secrets: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    files: Mapping[str, ProcessFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _SERVICE_NAME.fullmatch(self.service) or len(self.service) > _MAX_NAME:
            raise InvalidInput(
                f"{self.service!r} is not a gRPC service name.",
                remedy="Give the full name, e.g. pagesim.ranking.v1.RankingService.",
                field="service",
            )
        check_names(self.files)
        if self.command:
            self._check_command()
        elif not _MODULE_NAME.fullmatch(self.module):
            raise InvalidInput(
                f"{self.module!r} is not a Python module.",
                remedy="Give a module that `python -m` can run, e.g. services.ranking.",
                field="module",
            )
        if not 1 <= self.replicas <= _MAX_REPLICAS:
            raise InvalidInput(
                f"{self.replicas} replicas of {self.service} cannot be run.",
                remedy=f"Give 1 to {_MAX_REPLICAS}.",
                field="replicas",
            )
        given = {
            "arguments": self.arguments,
            "command": self.command,
            "environment": tuple(self.environment.values()),
        }
        for field_name, texts in given.items():
            if any("\0" in text for text in texts):
                raise InvalidInput(
                    f"{self.service} cannot be given {field_name} with a NUL character.",
                    remedy="Leave it out.",
                    field=field_name,
                )
        for name in (*self.environment, *self.secrets):
            if not name or "=" in name or "\0" in name:
                raise InvalidInput(
                    f"{name!r} is not a valid name of an environment variable.",
                    remedy="Use letters, digits and '_'.",
                    field="environment",
                )

    def _check_command(self) -> None:
        if self.module or self.arguments:
            raise InvalidInput(
                f"{self.service} has a command and a module or arguments.",
                remedy="Give either a command, or a module and its arguments.",
                field="command",
            )
        if not self.command[0] or not any(
            place in part for part in self.command for place in ("{address}", "{port}")
        ):
            raise InvalidInput(
                f"The command of {self.service} does not say where to listen.",
                remedy="Give a program, and {address} or {port} among its arguments.",
                field="command",
            )


def check_each_once(processes: tuple[ServiceProcess, ...], *, field: str) -> None:
    """Check that no service is named twice.

    Raises:
        InvalidStack: One is.
    """
    services = [process.service for process in processes]
    for service in services:
        if services.count(service) > 1:
            raise InvalidStack(
                f"{service} is named {services.count(service)} times.",
                remedy="Name it once; ask for more processes with replicas.",
                field=field,
            )
