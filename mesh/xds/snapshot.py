"""An immutable, encoded state of all resources; versions are digests of content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mesh.xds.consistency import messages_in
from mesh.xds.kinds import JsonMessage, Kind
from mesh.xds.messages import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.xds.consistency import ResourceSet

_VIRTUAL_HOST = "envoy.config.route.v3.VirtualHost"
_VIRTUAL_HOSTS_TAG = b"\x12"  # RouteConfiguration.virtual_hosts: field 2, length-delimited


@dataclass(frozen=True, slots=True)
class Resource:
    """An encoded message and its version, the digest of its bytes."""

    version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All resources by kind and name."""

    resources: Mapping[Kind, Mapping[str, Resource]]

    def versions(self, kind: Kind) -> dict[str, str]:
        """Return the version of each resource of the kind, by name."""
        return {name: resource.version for name, resource in self.resources[kind].items()}


EMPTY = Snapshot({kind: {} for kind in Kind})


class Encoder:
    """Encode resource sets one after the other.

    The same resources give the same bytes and versions in every process, so an Envoy that
    outlives a control plane is sent nothing anew. What is the same object as last time is
    not encoded anew either: an unchanged virtual host costs a look-up.
    """

    def __init__(self) -> None:
        self._former: dict[int, tuple[JsonMessage, bytes]] = {}
        self._present: dict[int, tuple[JsonMessage, bytes]] = {}

    def encode(self, resources: ResourceSet) -> Snapshot:
        """Return the snapshot of the resources."""
        self._former, self._present = self._present, {}
        return Snapshot(
            MappingProxyType(
                {
                    kind: MappingProxyType(
                        {
                            name: self._encode_resource(kind, resource)
                            for name, resource in named.items()
                        }
                    )
                    for kind, named in resources.resources.items()
                }
            )
        )

    def _encode_resource(self, kind: Kind, resource: JsonMessage) -> Resource:
        if kind is Kind.ROUTES:
            body = self._encode_routes(resource)
        else:
            body = self._encode_once(kind.value, resource)
        return Resource(hashlib.sha256(body).hexdigest()[:16], body)

    def _encode_routes(self, table: JsonMessage) -> bytes:
        rest = {name: value for name, value in table.items() if name != "virtual_hosts"}
        parts = [_encode(Kind.ROUTES.value, rest)]
        for host in messages_in(table, "virtual_hosts"):
            body = self._encode_once(_VIRTUAL_HOST, host)
            parts += [_VIRTUAL_HOSTS_TAG, _varint(len(body)), body]
        # Concatenated encodings of a message are the encoding of the messages merged.
        return b"".join(parts)

    def _encode_once(self, full_name: str, resource: JsonMessage) -> bytes:
        # Keeping the object keeps its id from being given to another.
        known = self._former.get(id(resource))
        body = known[1] if known else _encode(full_name, resource)
        self._present[id(resource)] = (resource, body)
        return body


def _encode(full_name: str, resource: JsonMessage) -> bytes:
    return parse_json(full_name, resource).SerializeToString(deterministic=True)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
