"""A history as tables: one per field, one line per version, oldest first."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from core.moments import from_micros
from core.screen_text import escape_line
from experiments.history.fields import fields_of
from timetravel.facts.model import FactKind, Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from experiments.history.fields import Field
    from timetravel.ledger.questions import HistoricalVersion
    from timetravel.ledger.spans import Span

_VISIBLE: Final = "\N{BLACK CIRCLE}"
_HIDDEN: Final = "\N{WHITE CIRCLE}"
_MADE_UP: Final = "~"
_MOMENT_WIDTH: Final = len("2024-02-15 10:00")
_SEEN_WIDTH: Final = len("to 2024-02-15 \N{MULTIPLICATION SIGN}2")
_BY_WIDTH: Final = len("#99999")
_LISTED: Final = {FactKind.ATTRIBUTE: "attributes", FactKind.ALLOCATION: "allocations"}
"""Kinds of which one table holds all fields: most have one version."""


def format_minute(micros: int) -> str:
    """Return a moment to the minute, e.g. 2024-02-15 10:00, in UTC."""
    return f"{from_micros(micros):%Y-%m-%d %H:%M}"


def render_history(history: Sequence[HistoricalVersion], *, limit: int) -> RenderableType:
    """Return all fields of an entity as tables with headings.

    Args:
        history: Of the entity.
        limit: The newest so many versions of each field; 0 means all.
    """
    parts: list[RenderableType] = []
    for kind, alike in groupby(fields_of(history), key=lambda field: field.kind):
        fields = list(alike)
        if kind in _LISTED:
            parts.append(_render(_LISTED[kind], fields, history, limit))
        else:
            parts += [_render(field.title, [field], history, limit) for field in fields]
    return Group(*parts)


def render_field(
    field: Field, history: Sequence[HistoricalVersion], *, limit: int
) -> RenderableType:
    """Return the versions of one field as a table with a heading."""
    return _render(field.title, [field], history, limit)


def _render(
    title: str, fields: Sequence[Field], history: Sequence[HistoricalVersion], limit: int
) -> RenderableType:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("true from", width=_MOMENT_WIDTH)
    table.add_column("known at", width=_MOMENT_WIDTH)
    table.add_column("what", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("seen", width=_SEEN_WIDTH, no_wrap=True)
    table.add_column("by", justify="right", no_wrap=True, min_width=_BY_WIDTH)
    table.expand = True
    left_out = 0
    sources: dict[str, None] = {}
    for field in fields:
        own = [historical for historical in history if field.holds(historical.version)]
        own.sort(key=lambda one: (one.version.valid_from, one.version.place))
        shown = own[-limit:] if limit else own
        left_out += len(own) - len(shown)
        for version in shown:
            sources[_source(version)] = None
            name = field.name if len(fields) > 1 else ""
            table.add_row(
                *_cells(field, version, name), style="" if version.is_visible else "dim"
            )
    heading = Text(escape_line(title), style="bold")
    heading.append(f"  said by {', '.join(sources)}", style="not bold dim")
    if left_out:
        heading.append(f"; {left_out:,} earlier left out", style="not bold dim")
    return Group(heading, table, "")


def render_legend(history: Sequence[HistoricalVersion]) -> Text:
    """Return what the signs mean that occur."""
    told = f"{_VISIBLE} visible  {_HIDDEN} not"
    if any(historical.version.synthetic for historical in history):
        told += f"  {_MADE_UP} made up by a seeded rule"
    return Text(told + "  all times UTC", style="dim")


def _cells(field: Field, one: HistoricalVersion, name: str) -> list[str | Text]:
    version = one.version
    what = f"{name} {field.say(version)}".lstrip()
    if version.kind is FactKind.AVAILABILITY and version.valid_to is not None:
        what += f" to {from_micros(version.valid_to):%Y-%m-%d}"
    at_once = version.known_at == version.valid_from
    return [
        Text(_VISIBLE, style="green") if one.is_visible else Text(_HIDDEN),
        format_minute(version.valid_from),
        "at once" if at_once else format_minute(version.known_at),
        Text(escape_line(what)),
        "" if version.op is Op.RETRACT else _seen(one.spans),
        f"#{version.tx_id}",
    ]


def _source(one: HistoricalVersion) -> str:
    return f"{escape_line(one.version.source)}{_MADE_UP if one.version.synthetic else ''}"


def _seen(spans: Sequence[Span]) -> str:
    if not spans:
        return "never"
    last = spans[-1].until
    told = "still" if last is None else f"to {from_micros(last):%Y-%m-%d}"
    return told if len(spans) == 1 else f"{told} \N{MULTIPLICATION SIGN}{len(spans)}"
