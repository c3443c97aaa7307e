"""How a process joins the mesh: serve its services, connect to the others.

A service's `__main__` is three lines around its own arguments::

    parser = argparse.ArgumentParser(...)
    add_serving_arguments(parser)
    options = serving_options(parser.parse_args())
    serve([Registration("pagesim.ranking.v1.RankingService", add)], options)

and calls other services with `connect(options.mesh_address)`. Handlers that are coroutines are
served with `mesh.serving.async_server` and call with `mesh.channels.async_channels`.
"""

from core.grpc_status import error_from_call, raising_peer_errors
from mesh.channels.channels import MAX_MESSAGE_BYTES, connect, connect_without_mesh
from mesh.serving.options import ServingOptions, add_serving_arguments, serving_options
from mesh.serving.server import Registration, RunningServer, serve, start

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Registration",
    "RunningServer",
    "ServingOptions",
    "add_serving_arguments",
    "connect",
    "connect_without_mesh",
    "error_from_call",
    "raising_peer_errors",
    "serve",
    "serving_options",
    "start",
]
