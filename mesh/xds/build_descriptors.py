"""Write the descriptors of the Envoy messages that we send, from the xds-protos package.

    scripts/build-envoy-descriptors

runs this where it belongs: in an environment of its own, thrown away afterwards, because
xds-protos overwrites modules of OpenTelemetry. The result, `envoy.binpb`, is committed;
`mesh.xds.messages` loads it into a pool of its own.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor

FILES = (
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/extensions/access_loggers/file/v3/file.proto",
    "envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/filters/http/lua/v3/lua.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
)


def collect(files: tuple[str, ...]) -> descriptor_pb2.FileDescriptorSet:
    """Return the files and all that they import, each after what it imports."""
    collected: dict[str, FileDescriptor] = {}

    def visit(file: FileDescriptor) -> None:
        if file.name not in collected:
            for dependency in file.dependencies:
                visit(dependency)
            collected[file.name] = file

    for name in files:
        module = importlib.import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        visit(module.DESCRIPTOR)
    descriptors = descriptor_pb2.FileDescriptorSet()
    for file in collected.values():
        file.CopyToProto(descriptors.file.add())
    return descriptors


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(collect(FILES).SerializeToString(deterministic=True))
