"""A set of resources whose references resolve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh.errors import ConfigurationRejected
from mesh.xds.kinds import Json, JsonMessage, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class ResourceSet:
    """All resources at one time, by kind and name.

    Raises:
        ConfigurationRejected: A resource names another that is not there, so that Envoy
            would wait for it or drop calls; or two stacks answer to one name.
    """

    resources: Mapping[Kind, Mapping[str, JsonMessage]]

    def __post_init__(self) -> None:
        clusters = set(self.resources[Kind.CLUSTER])
        _check_equal("clusters", clusters, "endpoints", set(self.resources[Kind.ENDPOINTS]))
        tables = set(self.resources[Kind.ROUTES])
        named = {
            str(table)
            for listener in self.resources[Kind.LISTENER].values()
            for table in _find(listener, "route_config_name")
        }
        _check_equal("route tables", tables, "tables that listeners name", named)
        for table in self.resources[Kind.ROUTES].values():
            hosts = messages_in(table, "virtual_hosts")
            if unknown := set(_routed_clusters(hosts)) - clusters:
                raise _rejected(f"routes lead to {_some(unknown)}, which is not a cluster")
            counts = Counter(domain for host in hosts for domain in _domains(host))
            if repeated := {domain for domain, count in counts.items() if count > 1}:
                raise _rejected(f"two virtual hosts answer to {_some(repeated)}")


def messages_in(message: JsonMessage, field: str) -> Sequence[JsonMessage]:
    """Return the messages in a repeated field."""
    values = message.get(field, ())
    if isinstance(values, str) or not isinstance(values, Sequence):
        return ()
    return [value for value in values if isinstance(value, Mapping)]


def _domains(host: JsonMessage) -> Sequence[str]:
    domains = host["domains"]
    return [str(domain) for domain in domains] if isinstance(domains, Sequence) else ()


def _routed_clusters(hosts: Sequence[JsonMessage]) -> Iterator[str]:
    for host in hosts:
        for route in messages_in(host, "routes"):
            action = route.get("route")
            if isinstance(action, Mapping):
                yield str(action["cluster"])


def _check_equal(kind: str, names: set[str], other_kind: str, others: set[str]) -> None:
    if alone := names - others:
        raise _rejected(f"{_some(alone)} is among the {kind} but not the {other_kind}")
    if alone := others - names:
        raise _rejected(f"{_some(alone)} is among the {other_kind} but not the {kind}")


def _rejected(problem: str) -> ConfigurationRejected:
    return ConfigurationRejected(
        f"The rendered configuration contradicts itself: {problem}.",
        remedy="Nothing was sent to Envoy. This is a fault of the mesh; please report it.",
    )


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3])


def _find(value: Json, name: str) -> Iterator[Json]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key == name:
                yield part
            yield from _find(part, name)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _find(part, name)
