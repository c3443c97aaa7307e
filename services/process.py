"""Runs a page service as a process of the mesh."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from core.errors import PagesimError
from mesh.serving import Registration, add_serving_arguments, connect, serve, serving_options
from services.page.arguments import add_overlay_argument, read_overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import grpc

    from timetravel.facts.model import JsonValue

    AddService = Callable[[grpc.Server, grpc.Channel, Mapping[str, JsonValue]], None]


def run_service(
    module: str,
    description: str,
    full_name: str,
    add_service: AddService,
    warm_up: Callable[[], None],
    arguments: Sequence[str] | None = None,
) -> None:
    """Serve one page service until it is told to stop.

    Args:
        module: Python module, for the usage line.
        description: What the service does.
        full_name: Full gRPC name.
        add_service: Adds the servicer to a server, given a channel to the other services and
            the configuration overlay.
        warm_up: Loads the service's kernels.
        arguments: Command line; that of the process if left out.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    add_serving_arguments(parser)
    add_overlay_argument(parser)
    namespace = parser.parse_args(arguments)
    try:
        options = serving_options(namespace)
        overlay = read_overlay(namespace.configuration_overlay)
        channel = connect(options.mesh_address, tls=options.identity)
        warm_up()
        registration = Registration(
            full_name, lambda server: add_service(server, channel, overlay)
        )
        serve([registration], options)
    except PagesimError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
