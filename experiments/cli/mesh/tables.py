"""The state of a mesh and the routes of a stack, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from core.screen_text import escape_line
from experiments.cli.terminal import ScreenConsole
from mesh.call.context import AS_OF_HEADER, STACK_HEADER, TRACEPARENT_HEADER

if TYPE_CHECKING:
    from rich.console import RenderableType

    from experiments.cli.mesh.documents import Document

_UNKNOWN = "?"
_WIDEST = 1000


def print_wide(shown: RenderableType) -> None:
    """Print on standard output without cutting: names are to be copied."""
    console = ScreenConsole()
    needed = Measurement.get(console, console.options.update(max_width=_WIDEST), shown)
    console.width = max(console.width, needed.maximum)
    console.print(shown)


def render_status(document: Document) -> RenderableType:
    """Return the mesh, its baseline and its stacks as tables."""
    lines = [Text(f"Mesh at {document['address']}", style="bold")]
    if document["directory"]:
        lines.append(
            Text(f"process {document['process_id']}, logs in {document['directory']}", "dim")
        )
    if not document["envoy_metrics_answer"]:
        lines.append(
            Text(
                f"Envoy's metrics at {document['envoy_metrics_address']} do not answer, so "
                "health is unknown.",
                style="bold red",
            )
        )
    return Group(*lines, Text(), _baseline_table(document), Text(), _stack_table(document))


def render_routes(document: Document) -> RenderableType:
    """Return the way of a call: the caller, Envoy with what it stamps, who serves."""
    caller = Tree(Text(f"caller  {STACK_HEADER}: {document['stack_id']}"))
    stamps = Text(f"Envoy {document['address']}", style="bold")
    for name, value in document["stamped_headers"].items():
        if name != STACK_HEADER:
            stamps.append(f"\n+ {name}: {value}", style="not bold")
    envoy = caller.add(stamps)
    for route in document["routes"]:
        own = route["served_by"] == "stack"
        line = Text(route["service"], style="bold green" if own else "")
        line.append(f"  {_owner(document, route)}", style="dim")
        service = envoy.add(line)
        for replica in route["replicas"]:
            service.add(f"{replica['address']}  process {replica['process_id']}")
        if not route["replicas"]:
            service.add(Text("no replica serves", style="bold red"))
    onward = Text(
        f"A service that calls another goes through Envoy again, with {STACK_HEADER}, "
        f"{AS_OF_HEADER} and {TRACEPARENT_HEADER}.",
        style="dim",
    )
    return Group(caller, Text(), onward)


def _owner(document: Document, route: Document) -> str:
    if route["served_by"] == "stack":
        return f"own process of {document['stack_id']}"
    return "baseline"


def _baseline_table(document: Document) -> RenderableType:
    table = _table("baseline", "HEALTHY", "ADDRESS", *_traffic_titles(document))
    for service in document["baseline"]:
        table.add_row(
            service["service"],
            _health(service),
            "\n".join(_process(process) for process in service["processes"]),
            *_traffic(document, service),
        )
    return table if document["baseline"] else Text("The baseline is empty.")


def _stack_table(document: Document) -> RenderableType:
    table = _table(
        *("stack", "STATE", "VARIANT", "AS OF", "SNAPSHOT", "OWN SERVICES", "HEALTHY"),
        *_traffic_titles(document),
    )
    for stack in document["stacks"]:
        table.add_row(
            stack["stack_id"],
            _state(stack),
            stack["variant"],
            _shorten(stack["as_of"])
            + (f"\nknown by {_shorten(stack['known_by'])}" if stack["known_by"] else ""),
            str(stack["snapshot"] or "not pinned"),
            "\n".join(service["service"] for service in stack["services"]) or "none",
            Text("\n").join(_health(service) for service in stack["services"]),
            *_traffic(document, stack),
        )
    return table if document["stacks"] else Text("There is no stack.")


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        amount = title in ("CALLS", "ERRORS", "CALLS/S", "ERRORS/S")
        table.add_column(title.upper(), justify="right" if amount else "left", no_wrap=True)
    return table


def _traffic_titles(document: Document) -> tuple[str, ...]:
    rates = ("CALLS/S", "ERRORS/S") if document["window_seconds"] else ()
    return ("CALLS", "ERRORS", *rates)


def _traffic(document: Document, one: Document) -> tuple[str | Text, ...]:
    errors = Text(f"{one['errors']:,}", style="red" if one["errors"] else "")
    if not document["window_seconds"]:
        return f"{one['calls']:,}", errors
    rates = (f"{one['calls_per_second']:.1f}", f"{one['errors_per_second']:.1f}")
    return f"{one['calls']:,}", errors, *rates


def _health(service: Document) -> Text:
    healthy, replicas = service["healthy"], service["replicas"]
    if healthy is None:
        return Text(f"{_UNKNOWN}/{replicas}", style="yellow")
    return Text(f"{healthy}/{replicas}", style="green" if healthy == replicas else "bold red")


def _state(stack: Document) -> Text:
    state = Text(stack["state"], style="" if stack["state"] == "ready" else "yellow")
    if stack["restarts"]:
        state.append(f", {stack['restarts']} restarted", style="yellow")
    if stack["reason"]:
        state.append(f"\n{escape_line(stack['reason'])}", style="bold red")
    return state


def _process(process: Document) -> str:
    silent = "" if process["answers"] else "  does not answer"
    return f"{process['address']} ({process['process_id']}){silent}"


def _shorten(moment: str) -> str:
    return moment.removesuffix(".000000Z") + "Z" if moment.endswith(".000000Z") else moment
