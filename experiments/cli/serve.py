"""pagesim serve: serve pages at one moment, for any gRPC client."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import tempfile
import textwrap
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.moments import format_moment, parse_moment
from experiments.cli.terminal import (
    absolute_store,
    console,
    json_option,
    print_json,
    progress,
    segments_option,
    store_option,
    tls_option,
)
from experiments.generation.baseline import override_processes, start_mesh
from mesh.call.context import STACK_HEADER
from mesh.security.certificates import Role
from mesh.topology.stack import Stack
from mesh.xds.virtual_hosts import SERVICE_HEADER
from services.page.arguments import read_overlay
from services.page.configuration import ASSEMBLER_SERVICE
from timetravel.facts.external_ids import IdForm
from timetravel.facts.model import EntityKind
from timetravel.store import Store

if TYPE_CHECKING:
    from mesh.client.mesh_process import MeshProcess

_CHECK_SECONDS = 0.5


@click.command()
@store_option
@segments_option
@click.option(
    "--as-of",
    required=True,
    metavar="MOMENT",
    help="The moment to simulate, e.g. 2018-05-01 or 2018-05-01T12:00:00Z.",
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
@tls_option
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
    tls: Path | None,
    *,
    as_json: bool,
) -> None:
    """Serve homepages at one moment until Ctrl-C.

    Starts Envoy, the services and one stack, and prints where they are and how to call them.
    """
    overlay = read_overlay(configuration_overlay)
    at = parse_moment(as_of, field="--as-of")
    store_url = absolute_store(store)
    with Store.open(store_url) as opened:
        snapshot = opened.snapshot()
        request = example_request(opened, at, snapshot)
    stack = Stack(
        stack_id=stack_id,
        as_of_micros=at,
        known_by_micros=parse_moment(known_by, field="--known-by") if known_by else None,
        snapshot=snapshot or None,
        overrides=override_processes(overlay, configuration_overlay or Path()),
    )
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    # A shell starts what it puts in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as running:
        directory = logs or Path(
            running.enter_context(tempfile.TemporaryDirectory(prefix="pagesim-serve-"))
        )
        with progress("Starting Envoy and the services"):
            mesh = running.enter_context(
                start_mesh(
                    store_url, segments, directory, arguments=("--address", address), tls=tls
                )
            )
            mesh.service.create_stack(stack)
        description = _describe(mesh, stack, request)
        if as_json:
            print_json(description)
        else:
            _explain(description)
        while not stopped.wait(_CHECK_SECONDS):
            mesh.check()


def example_request(store: Store, at: int, snapshot: int) -> dict[str, object]:
    """Return a request for a page, of a profile that was shown one by the moment if any was.

    Args:
        store: Says how profiles are named.
        at: The moment, in microseconds since 1970-01-01 UTC.
        snapshot: Newest transaction to read.
    """
    pages = store.logged_pages(until=at + 1, snapshot=snapshot, with_features=False)
    page = next(pages, None)
    if page is not None:
        (name,) = store.external_ids(EntityKind.PROFILE, [page.profile_id])
    else:
        has_texts = store.id_forms().get(EntityKind.PROFILE) is IdForm.TEXTS
        name = "ID OF A PROFILE" if has_texts else 1
    return {"external_id" if isinstance(name, str) else "profile_id": name}


def _describe(mesh: MeshProcess, stack: Stack, request: dict[str, object]) -> dict[str, object]:
    endpoints = (
        *mesh.service.get_mesh().baseline,
        *mesh.service.get_stack(stack.stack_id).endpoints,
    )
    return {
        "address": mesh.address,
        "headers": {STACK_HEADER: stack.stack_id},
        "call": _write_call(mesh, stack.stack_id, request),
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
    headers, services = description["headers"], description["services"]
    assert isinstance(headers, dict)  # noqa: S101 - built just above
    assert isinstance(services, list)  # noqa: S101 - built just above
    stack = headers[STACK_HEADER]
    click.echo(f"Pages as of {as_of}, at {address}; send the header {STACK_HEADER}: {stack}\n")
    click.echo(f"{textwrap.indent(str(description['call']), '  ')}\n")
    for service in services:
        click.echo(f"  {service['service']:44} {service['address']:21} {service['metrics']}")
    click.echo(f"  {'Envoy':44} {address:21} {description['envoy_metrics']}")
    click.echo(f"  {'control plane':44} {'':21} {description['mesh_metrics']}")
    console.print("\nCtrl-C ends it.")


def _write_call(mesh: MeshProcess, stack_id: str, request: dict[str, object]) -> str:
    """Return a command that asks for a page, to be pasted into a shell."""
    body = shlex.quote(json.dumps(request))
    if mesh.tls is None:
        scheme, proof = "http", "--http2-prior-knowledge"
    else:
        authority, own = (
            shlex.quote(str(mesh.tls.authority)),
            shlex.quote(str(mesh.tls.certificate)),
        )
        scheme = "https"
        proof = (
            f"--servername {Role.MESH.host_name} \\\n"
            f"  --cacert {authority} --cert {own} --key {own}"
        )
    return (
        f"{_find_buf()} curl --protocol grpc {proof} \\\n"
        f"  --header '{STACK_HEADER}: {stack_id}' \\\n"
        f"  --header '{SERVICE_HEADER}: {ASSEMBLER_SERVICE}' --reflect-header '*' \\\n"
        f"  --data {body} \\\n"
        f"  {scheme}://{mesh.address}/{ASSEMBLER_SERVICE}/GetPage"
    )


def _find_buf() -> str:
    """Return how to call buf from here: that of our environment, if it has one."""
    ours = Path(sys.executable).with_name("buf")
    return shlex.quote(os.path.relpath(ours)) if ours.exists() else "buf"
