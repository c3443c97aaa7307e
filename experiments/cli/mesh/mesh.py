"""pagesim mesh: look at a running mesh and its stacks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from experiments.cli.lazy import LazyCommand, LazyGroup
from experiments.cli.mesh.choice import mesh_option, open_mesh
from experiments.cli.mesh.documents import describe_routes, describe_status
from experiments.cli.mesh.tables import print_wide, render_routes, render_status
from experiments.cli.terminal import json_option, print_json
from mesh.observation.traffic import observe

if TYPE_CHECKING:
    from experiments.cli.mesh.choice import ChosenMesh

_HERE = "experiments.cli.mesh.mesh"
COMMANDS = {
    "status": LazyCommand(_HERE, "status", "Show processes, health and traffic."),
    "routes": LazyCommand(
        _HERE, "routes", "Show which processes serve a stack, and the headers it gets."
    ),
    "logs": LazyCommand("experiments.cli.mesh.logs", "logs", "Show the log of a stack."),
    "drain": LazyCommand(_HERE, "drain", "Remove a stack; calls in flight end first."),
    "certificates": LazyCommand(
        "experiments.cli.mesh.certificates", "certificates", "Make and renew certificates."
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def mesh() -> None:
    """Inspect a running mesh and its stacks.

    A mesh on this machine is found automatically; --mesh or PAGESIM_MESH names one of
    several, or one elsewhere.
    """


@click.command()
@mesh_option
@click.option(
    "--window-seconds",
    type=click.FloatRange(min=0, max=60),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to count calls for the rates; 0 leaves rates out.",
)
@json_option
def status(mesh: str | None, window_seconds: float, *, as_json: bool) -> None:
    """Show the mesh: its address, the baseline, and every stack.

    HEALTHY is how many replicas Envoy calls, of those that were started. Calls and errors are
    counted by the processes, calls between services included; a service of the baseline
    counts those of all stacks.
    """
    with open_mesh(mesh) as chosen:
        document = _observe_status(chosen, window_seconds)
    if as_json:
        print_json(document)
    else:
        print_wide(render_status(document))


@click.command()
@click.argument("stack")
@mesh_option
@json_option
def routes(stack: str, mesh: str | None, *, as_json: bool) -> None:
    """Show which processes serve each service for STACK, and which headers calls get."""
    with open_mesh(mesh) as chosen:
        document = describe_routes(chosen.client.get_mesh(), chosen.get_stack(stack))
    if as_json:
        print_json(document)
    else:
        print_wide(render_routes(document))


@click.command()
@click.argument("stack")
@mesh_option
@json_option
def drain(stack: str, mesh: str | None, *, as_json: bool) -> None:
    """Remove STACK: new calls are refused, those in flight end, then it is deleted."""
    with open_mesh(mesh) as chosen:
        chosen.get_stack(stack)
        chosen.client.drain_stack(stack)
    if as_json:
        print_json({"stack_id": stack, "removed": True})
    else:
        sys.stderr.write(f"Stack {stack} is gone.\n")


def _observe_status(chosen: ChosenMesh, window_seconds: float) -> dict[str, object]:
    running = chosen.client.get_mesh()
    stacks = chosen.client.list_stacks()
    endpoints = [
        *running.baseline,
        *(endpoint for stack in stacks for endpoint in stack.endpoints),
    ]
    before = observe(running.envoy_metrics_address, endpoints) if window_seconds else None
    started = time.monotonic()
    if window_seconds:
        time.sleep(window_seconds)
    now = observe(running.envoy_metrics_address, endpoints)
    return describe_status(
        running,
        stacks,
        now,
        control_address=chosen.control_address,
        announcement=chosen.announcement,
        before=before,
        elapsed_seconds=time.monotonic() - started,
    )
