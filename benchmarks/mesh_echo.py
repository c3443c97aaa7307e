"""A service that sends back what it gets, after some work: python -m benchmarks.mesh_echo."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import grpc

from mesh.serving import Registration, add_serving_arguments, serve, serving_options

if TYPE_CHECKING:
    from mesh.serving import ServingOptions

SERVICE = "pagesim.benchmark.v1.EchoService"
WORK_HEADER = "work-microseconds"
METHOD = f"/{SERVICE}/Echo"


def _echo(message: bytes, call: grpc.ServicerContext) -> bytes:
    asked = dict(call.invocation_metadata()).get(WORK_HEADER, "0")
    end = time.perf_counter() + int(asked) / 1e6
    while time.perf_counter() < end:
        pass
    return message


def _add_to_server(server: grpc.Server) -> None:
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Echo": grpc.unary_unary_rpc_method_handler(_echo)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_serving_arguments(parser)
    options: ServingOptions = serving_options(parser.parse_args())
    serve([Registration(SERVICE, _add_to_server)], options)


if __name__ == "__main__":
    main()
