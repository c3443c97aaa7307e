"""What a process may use, and what the machine that runs it must have: pure data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from mesh.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_FEWEST_OPEN_FILES = 16
_RESERVED = frozenset({"CPU", "GPU", "TPU", "memory", "object_store_memory"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may use at most; None means no limit.

    Attributes:
        memory_bytes: Private writable memory, reserved or touched (RLIMIT_DATA): beyond,
            allocations fail.
        open_files: Open file descriptors (RLIMIT_NOFILE).
        cpu_seconds: Time on a CPU (RLIMIT_CPU): beyond, the process ends.

    Raises:
        InvalidInput: A limit leaves nothing to run with.
    """

    memory_bytes: int | None = None
    open_files: int | None = None
    cpu_seconds: int | None = None

    def __post_init__(self) -> None:
        fewest = {"memory_bytes": 1, "open_files": _FEWEST_OPEN_FILES, "cpu_seconds": 1}
        for name, least in fewest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise InvalidInput(
                    f"A limit of {value} leaves nothing to run with.",
                    remedy=f"Give {least} or more, or no limit.",
                    field=f"limits.{name}",
                )

    def given(self) -> Mapping[str, int]:
        """Return the limits that there are, by name."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Needs:
    """What the machine must have for one process; launchers place by it.

    Attributes:
        cpus: Logical CPUs; fractions share one.
        memory_bytes: Memory.
        custom: Amounts of resources that machines were given names for, e.g. "ssd".

    Raises:
        InvalidInput: An amount is below 0, or a name stands for something else.
    """

    cpus: float = 1.0
    memory_bytes: int = 0
    custom: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, amount in {**self.amounts(), "CPU": self.cpus}.items():
            if not 0 <= amount < float("inf"):
                raise InvalidInput(
                    f"{amount} of {name} cannot be had.",
                    remedy="Give 0 or more.",
                    field="needs",
                )
        for name in self.custom:
            if not name or name in _RESERVED:
                raise InvalidInput(
                    f"{name!r} is no name of a custom resource.",
                    remedy=f"Use another one than {', '.join(sorted(_RESERVED))}.",
                    field="needs.custom",
                )

    def amounts(self) -> Mapping[str, float]:
        """Return the amounts by name, as Ray calls them."""
        return {"CPU": self.cpus, "memory": float(self.memory_bytes), **self.custom}

    def missing_from(self, machine: Mapping[str, float]) -> Mapping[str, float]:
        """Return the amounts that exceed what the machine has, by name."""
        return {
            name: amount
            for name, amount in self.amounts().items()
            if amount > machine.get(name, 0.0)
        }

    def __str__(self) -> str:
        wanted = [f"{amount:g} {name}" for name, amount in self.amounts().items() if amount]
        return ", ".join(wanted) or "nothing"
