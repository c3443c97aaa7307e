"""A picture of one field in the terminal: valid time across, knowledge time down.

Each line is what one saw of all of time at one moment of knowledge; the next line is what one
saw once more had become known. So a late fact shows as a line that changes far to the left of
where it was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from rich.text import Text

from core.moments import from_micros
from experiments.history.table import format_minute
from timetravel.facts.model import FactKind
from timetravel.ledger.spans import Times, spans_of_holding, spans_of_identified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.history.fields import Field
    from timetravel.ledger.versions import FactVersion

_LABEL_WIDTH: Final = 18
_COLUMN_WIDTH: Final = 12
_WIDEST_COLUMN: Final = 20
_MOST_LINES: Final = 12
_LASTS: Final = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_GOES_ON: Final = "\N{RIGHTWARDS ARROW}"
_HOLDING: Final = {
    FactKind.FEATURES,
    FactKind.ATTRIBUTE,
    FactKind.ALLOCATION,
    FactKind.DOCUMENT,
}
_DRAWN: Final = _HOLDING | {FactKind.EVENT}
_FORMATS: Final = ("%Y-%m-%d", "%m-%d %H:%M", "%H:%M:%S.%f")


@dataclass(frozen=True, slots=True)
class _Line:
    """What was known at a moment: which version each column shows, None for nothing."""

    known_at: int
    places: tuple[int | None, ...]


def can_be_drawn(field: Field) -> bool:
    """Return whether there is a picture for such a field."""
    return field.kind in _DRAWN


def draw_field(field: Field, versions: Sequence[FactVersion], width: int) -> Text:
    """Return the picture of a field.

    Args:
        field: Holds what the versions say.
        versions: Of the field alone, at least one.
        width: In characters.
    """
    edges = sorted({version.valid_from for version in versions})
    room = max((width - _LABEL_WIDTH) // _COLUMN_WIDTH, 1)
    shown = edges[-room:]
    lines = _lines(field, versions, shown)
    column = min((width - _LABEL_WIDTH - 1) // len(shown), _WIDEST_COLUMN)
    picture = Text("as known by".ljust(_LABEL_WIDTH), style="dim")
    for label in _labels(shown):
        picture.append(label.ljust(column), style="dim")
    picture.rstrip()
    before: _Line | None = None
    for line in lines[-_MOST_LINES:]:
        picture.append("\n")
        picture.append(format_minute(line.known_at).ljust(_LABEL_WIDTH))
        _draw(picture, field, versions, line, before, column)
        before = line
    left_out = [
        f"{count} earlier {what}"
        for count, what in (
            (len(edges) - len(shown), "columns"),
            (max(len(lines) - _MOST_LINES, 0), "lines"),
        )
        if count
    ]
    if left_out:
        picture.append(f"\n{' and '.join(left_out)} left out", style="dim")
    return picture


def _lines(field: Field, versions: Sequence[FactVersion], edges: Sequence[int]) -> list[_Line]:
    """Return a line for each moment at which what is known of the columns changes."""
    lines = [
        _Line(known_at, _places(field, versions, edges, known_at))
        for known_at in sorted({version.known_at for version in versions})
    ]
    return [
        line
        for before, line in pairwise([_Line(0, ()), *lines])
        if line.places != before.places
    ]


def _places(
    field: Field, versions: Sequence[FactVersion], edges: Sequence[int], known_by: int
) -> tuple[int | None, ...]:
    times = [
        Times(version.valid_from, version.valid_to, version.known_at, version.tx_id, version.op)
        for version in versions
    ]
    if field.kind in _HOLDING:
        spans = spans_of_holding(times, known_by)
        return tuple(
            next(
                (
                    place
                    for place, own in enumerate(spans)
                    if any(span.holds(edge) for span in own)
                ),
                None,
            )
            for edge in edges
        )
    visible: dict[int, int] = {}
    for name in {version.name for version in versions}:
        alike = [place for place, version in enumerate(versions) if version.name == name]
        found = spans_of_identified([times[place] for place in alike], known_by)
        for place, own in zip(alike, found, strict=True):
            if own:
                visible[versions[place].valid_from] = place
    return tuple(visible.get(edge) for edge in edges)


def _draw(
    picture: Text,
    field: Field,
    versions: Sequence[FactVersion],
    line: _Line,
    before: _Line | None,
    column: int,
) -> None:
    lasts = field.kind in _HOLDING
    previous: int | None = None
    for number, place in enumerate(line.places):
        changed = before is None or before.places[number] != place
        style = "bold" if changed else "dim"
        if place is None:
            text = " " * column
        elif lasts and place == previous:
            text = _LASTS * column
        else:
            said = field.say(versions[place])[: column - 1]
            text = f"{said} ".ljust(column, _LASTS if lasts else " ")
        picture.append(text, style=style)
        previous = place
    if lasts and previous is not None:
        picture.append(_GOES_ON, style="dim")
    picture.rstrip()


def _labels(edges: Sequence[int]) -> list[str]:
    """Return moments as short as they can be and still differ."""
    for pattern in _FORMATS:
        labels = [from_micros(edge).strftime(pattern)[: _COLUMN_WIDTH - 1] for edge in edges]
        if len(set(labels)) == len(labels):
            return labels
    return [from_micros(edge).strftime(_FORMATS[-1]) for edge in edges]
