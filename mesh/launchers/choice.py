"""The launcher as configuration: which one, and how often a replica may be restarted."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mesh.errors import InvalidInput
from mesh.launchers.local import LocalLauncher
from mesh.launchers.restarts import RestartingLauncher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mesh.launchers.launcher import Launcher

LAUNCHERS = ("local", "ray")


@dataclass(frozen=True, slots=True)
class LauncherChoice:
    """What runs the replicas.

    Attributes:
        name: One of LAUNCHERS.
        ray_address: host:port of the head of Ray's cluster, or "auto" for the one that runs
            on this machine; of "ray" only.
        restarts: How often each replica that has served may be started again.

    Raises:
        InvalidInput: The values do not go together.
    """

    name: str = "local"
    ray_address: str | None = None
    restarts: int = 0

    def __post_init__(self) -> None:
        if self.name not in LAUNCHERS:
            raise InvalidInput(
                f"There is no launcher {self.name!r}.",
                remedy=f"Choose one of {', '.join(LAUNCHERS)}.",
                field="--launcher",
            )
        if (self.name == "ray") != (self.ray_address is not None):
            raise InvalidInput(
                f"The launcher {self.name} goes with the address {self.ray_address}.",
                remedy="Give an address of Ray with the launcher ray, and with no other.",
                field="--ray-address",
            )
        if self.restarts < 0:
            raise InvalidInput(
                f"{self.restarts} restarts are less than none.",
                remedy="Give 0 or more.",
                field="--restarts",
            )

    @contextmanager
    def open(self, *, start_timeout_seconds: float) -> Iterator[Callable[..., Launcher]]:
        """Give what makes the launcher, called like `LocalLauncher`, within a `with` block.

        Raises:
            WrongState: Ray is not installed, or not there.
        """
        if self.name == "local":
            yield self._restarting(LocalLauncher, start_timeout_seconds)
            return
        from mesh.launchers.ray import RayLauncher, connect_ray  # noqa: PLC0415 - an extra

        with connect_ray(self.ray_address or ""):
            yield self._restarting(RayLauncher, start_timeout_seconds)

    def _restarting(
        self, launcher: Callable[..., Launcher], start_timeout_seconds: float
    ) -> Callable[..., Launcher]:
        if not self.restarts:
            return launcher

        # Whatever the launcher takes goes through.
        def make(*arguments: Any, **named: Any) -> Launcher:  # noqa: ANN401
            return RestartingLauncher(
                launcher(*arguments, **named),
                restarts=self.restarts,
                start_timeout_seconds=start_timeout_seconds,
            )

        return make
