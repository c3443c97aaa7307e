"""Envoy's messages, from descriptors that we ship, in a descriptor pool of their own.

A private pool keeps clear of every other package that defines messages of Envoy's names.
`build_descriptors` says where `envoy.binpb` comes from.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from mesh.xds.kinds import JsonMessage

DELTA_REQUEST = "envoy.service.discovery.v3.DeltaDiscoveryRequest"
DELTA_RESPONSE = "envoy.service.discovery.v3.DeltaDiscoveryResponse"


@lru_cache(maxsize=1)
def descriptor_pool() -> DescriptorPool:
    """Return the pool that knows Envoy's messages."""
    pool = DescriptorPool()
    body = resources.files("mesh.xds").joinpath("envoy.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(body).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@lru_cache(maxsize=64)
def message_class(full_name: str) -> type[Message]:
    """Return the class of the message, e.g. "envoy.config.route.v3.RouteConfiguration"."""
    return message_factory.GetMessageClass(descriptor_pool().FindMessageTypeByName(full_name))


def parse_json(full_name: str, resource: JsonMessage) -> Message:
    """Return the message of which the resource is the JSON form.

    Raises:
        google.protobuf.json_format.ParseError: It is the form of no such message.
    """
    message = message_class(full_name)()
    json_format.ParseDict(dict(resource), message, descriptor_pool=descriptor_pool())
    return message
