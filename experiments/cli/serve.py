"""pagesim serve: the whole system at one moment, for any gRPC client."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import click

from experiments.baseline import baseline_processes, override_processes
from experiments.cli.terminal import (
    absolute_store,
    console,
    json_option,
    print_json,
    progress,
    segments_option,
    store_option,
)
from mesh.client import MeshProcess
from mesh.moments import format_moment, parse_moment
from mesh.topology import Stack
from services.page.arguments import read_overlay
from services.page.configuration import ASSEMBLER_SERVICE
from timetravel.store import Store

_CHECK_SECONDS = 0.5


@click.command()
@store_option
@segments_option
@click.option(
    "--as-of",
    required=True,
    metavar="MOMENT",
    help="The moment to travel to, e.g. 2018-05-01 or 2018-05-01T12:00:00Z.",
)
@click.option(
    "--known-by",
    metavar="MOMENT",
    help="Read facts as known by this moment; as known at the as-of if left out.",
)
@click.option(
    "--configuration-overlay",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="JSON merge patch (RFC 7396) laid over the configuration, as a variant would.",
)
@click.option(
    "--address",
    default="127.0.0.1:10000",
    show_default=True,
    metavar="HOST:PORT",
    help="Where Envoy listens.",
)
@click.option(
    "--stack",
    "stack_id",
    default="serve",
    show_default=True,
    metavar="NAME",
    help="Name of the stack, sent by callers as x-pagesim-stack.",
)
@click.option(
    "--logs",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Keep the logs of all processes here.",
)
@json_option
def serve(
    store: str,
    segments: Path,
    as_of: str,
    known_by: str | None,
    configuration_overlay: Path | None,
    address: str,
    stack_id: str,
    logs: Path | None,
    *,
    as_json: bool,
) -> None:
    """Serve homepages at one moment until Ctrl-C.

    Brings up Envoy, the services and one stack, and says where they are and how to call them.
    """
    overlay = read_overlay(configuration_overlay)
    store_url = absolute_store(store)
    with Store.open(store_url) as opened:
        snapshot = opened.snapshot()
    stack = Stack(
        stack_id=stack_id,
        as_of_micros=parse_moment(as_of, field="--as-of"),
        known_by_micros=parse_moment(known_by, field="--known-by") if known_by else None,
        snapshot=snapshot or None,
        overrides=override_processes(overlay, configuration_overlay or Path()),
    )
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with ExitStack() as running:
        directory = logs or Path(
            running.enter_context(tempfile.TemporaryDirectory(prefix="pagesim-serve-"))
        )
        with progress("Starting Envoy and the services"):
            mesh = running.enter_context(
                MeshProcess.start(
                    baseline_processes(store_url, segments),
                    directory,
                    arguments=("--address", address),
                )
            )
            mesh.service.create_stack(stack)
        description = _describe(mesh, stack)
        if as_json:
            print_json(description)
        else:
            _explain(description)
        while not stopped.wait(_CHECK_SECONDS):
            mesh.check()


def _describe(mesh: MeshProcess, stack: Stack) -> dict[str, object]:
    endpoints = (
        *mesh.service.get_mesh().baseline,
        *mesh.service.get_stack(stack.stack_id).endpoints,
    )
    return {
        "address": mesh.address,
        "headers": {"x-pagesim-stack": stack.stack_id},
        "as_of": format_moment(stack.as_of_micros),
        "snapshot": stack.snapshot,
        "envoy_metrics": f"http://{mesh.envoy_metrics_address}/stats/prometheus",
        "mesh_metrics": f"http://{mesh.metrics_address}/metrics",
        "services": [
            {
                "service": endpoint.service,
                "stack": endpoint.stack_id,
                "address": str(endpoint.address),
                "metrics": f"http://{endpoint.metrics_address}/metrics",
                "process_id": endpoint.process_id,
            }
            for endpoint in endpoints
        ],
    }


def _explain(description: dict[str, object]) -> None:
    address, as_of = description["address"], description["as_of"]
    headers = description["headers"]
    assert isinstance(headers, dict)  # noqa: S101 - built just above
    stack = headers["x-pagesim-stack"]
    body = json.dumps({"profile_id": 1})
    click.echo(f"Pages as of {as_of}, at {address}; send the header x-pagesim-stack: {stack}\n")
    click.echo("  buf curl --protocol grpc --http2-prior-knowledge --schema protos \\")
    click.echo(f"    --header 'x-pagesim-stack: {stack}' --data '{body}' \\")
    click.echo(f"    http://{address}/{ASSEMBLER_SERVICE}/GetPage\n")
    services = description["services"]
    assert isinstance(services, list)  # noqa: S101 - built just above
    for one in services:
        click.echo(f"  {one['service']:44} {one['address']:21} {one['metrics']}")
    click.echo(f"  {'Envoy':44} {address:21} {description['envoy_metrics']}")
    click.echo(f"  {'control plane':44} {'':21} {description['mesh_metrics']}")
    console.print("\nCtrl-C ends it.", highlight=False)
