"""The baseline file: which processes serve every stack, as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput, NotFound
from mesh.topology.process_files import ProcessFile
from mesh.topology.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from pathlib import Path

_EXAMPLE = '[{"service": "pagesim.ranking.v1.RankingService", "module": "services.ranking"}]'
_KINDS: dict[str, type] = {
    "service": str,
    "module": str,
    "arguments": list,
    "environment": dict,
    "replicas": int,
    "secrets": list,
    "command": list,
    "files": dict,
}


def write_baseline(processes: Sequence[ServiceProcess], path: Path) -> None:
    """Write the processes to the file."""
    path.write_text(format_baseline(processes))


def format_baseline(processes: Sequence[ServiceProcess]) -> str:
    """Return the processes as the text of a baseline file."""
    return json.dumps([asdict(process) for process in processes], indent=1)


def read_baseline(path: Path) -> tuple[ServiceProcess, ...]:
    """Return the processes that the file names.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is no list of processes; the message names the entry.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise NotFound(
            f"There is no baseline file {path}.",
            remedy=f"Write one, e.g. {_EXAMPLE}",
            field="--baseline",
        ) from None
    return parse_baseline(text, path)


def parse_baseline(text: str, path: Path) -> tuple[ServiceProcess, ...]:
    """Return the processes that the text of a baseline file names.

    Args:
        text: The text.
        path: Where it comes from, for messages.

    Raises:
        InvalidInput: It is no list of processes; the message names the entry.
    """
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise _invalid(path, f"it is not JSON ({error})", "--baseline") from None
    if not isinstance(entries, list):
        raise _invalid(path, "it is no list", "--baseline")
    return tuple(_read_entry(path, number, entry) for number, entry in enumerate(entries))


def take_secrets(
    processes: Sequence[ServiceProcess], environment: MutableMapping[str, str]
) -> Mapping[str, str]:
    """Take the secrets that processes ask for out of an environment, and return them.

    Raises:
        InvalidInput: One of them is not there.
    """
    names = {name for process in processes for name in process.secrets}
    for name in sorted(names - environment.keys()):
        raise InvalidInput(
            f"The environment has no {name}, which the baseline asks for.",
            remedy="Set it.",
            field="--baseline",
        )
    return {name: environment.pop(name) for name in names}


def _read_entry(path: Path, number: int, entry: object) -> ServiceProcess:
    where = f"[{number}]"
    if not isinstance(entry, dict):
        raise _invalid(path, f"{entry!r} is no object", where)
    for name, value in entry.items():
        kind = _KINDS.get(name)
        if kind is None:
            raise _invalid(
                path,
                f"there is no such field; known are {', '.join(_KINDS)}",
                f"{where}.{name}",
            )
        holds = _holds_files if name == "files" else _holds_text
        if type(value) is not kind or not holds(value):
            raise _invalid(path, f"{value!r} is not of its kind", f"{where}.{name}")
    for name in ("service", "command" if entry.get("command") else "module"):
        if name not in entry:
            raise _invalid(path, "it is missing", f"{where}.{name}")
    try:
        return process_from(entry)
    except InvalidInput as error:
        raise InvalidInput(
            error.problem, remedy=error.remedy, field=f"{where}.{error.field}"
        ) from None


def process_from(entry: Mapping[str, Any]) -> ServiceProcess:
    """Return the process whose fields are of the right kinds.

    Raises:
        InvalidInput: It cannot be run.
    """
    return ServiceProcess(
        service=entry["service"],
        module=entry.get("module", ""),
        arguments=tuple(entry.get("arguments", ())),
        environment=entry.get("environment", {}),
        replicas=entry.get("replicas", 1),
        secrets=tuple(entry.get("secrets", ())),
        command=tuple(entry.get("command", ())),
        files={name: ProcessFile(**one) for name, one in entry.get("files", {}).items()},
    )


def _holds_files(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(one, dict) and one.keys() == {"path", "sha256"} and _holds_text(one)
        for one in value.values()
    )


def _holds_text(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    if isinstance(value, dict):
        return all(isinstance(one, str) for one in value.values())
    return True


def _invalid(path: Path, problem: str, field: str) -> InvalidInput:
    return InvalidInput(
        f"{path} is no baseline: {problem}.", remedy=f"Write, e.g., {_EXAMPLE}", field=field
    )
