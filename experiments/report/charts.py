"""Small SVG charts; colours come from the style sheet, so they follow its theme."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 132, 18
_MARGIN = 6


@dataclass(frozen=True, slots=True)
class Segment:
    """Hold one part of a stacked bar: a share from 0 to 1."""

    label: str
    share: float
    style: str
    """CSS class that colours it."""


def draw_interval(
    difference: float, low: float, high: float, reach: float, *, style: str, label: str
) -> str:
    """Return a dot with its interval around a line at zero.

    Where the interval goes on beyond the drawing, an arrowhead says so.

    Args:
        difference: Where the dot is.
        low: Left end of the interval.
        high: Right end.
        reach: The value at either edge of the drawing.
        style: CSS class that colours it.
        label: What the drawing says, for those who do not see it.
    """
    middle = _WIDTH / 2
    scale = (middle - _MARGIN) / reach if reach > 0 else 0.0

    def place(value: float) -> float:
        return round(middle + max(-reach, min(reach, value)) * scale, 1)

    y = _HEIGHT / 2
    ends = ""
    if low < -reach:
        ends += f'<path d="M{_MARGIN + 1} {y - 4:g}l-6 4l6 4z"/>'
    if high > reach:
        ends += f'<path d="M{_WIDTH - _MARGIN - 1} {y - 4:g}l6 4l-6 4z"/>'
    return (
        f'<svg class="interval {style}" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<line class="zero" x1="{middle:g}" x2="{middle:g}" y1="1" y2="{_HEIGHT - 1}"/>'
        f'<line class="reach" x1="{place(low):g}" x2="{place(high):g}" y1="{y:g}" y2="{y:g}"/>'
        f'{ends}<circle cx="{place(difference):g}" cy="{y:g}" r="4"/></svg>'
    )


def draw_share(share: float, *, label: str) -> str:
    """Return a bar that is filled by a share from 0 to 1."""
    filled = round(100 * max(0.0, min(1.0, share)), 2)
    return (
        '<svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}"><rect class="whole" width="100" height="6"/>'
        f'<rect class="part" width="{filled:g}" height="6"/></svg>'
    )


def draw_stack(segments: Sequence[Segment], *, label: str) -> str:
    """Return one bar of coloured parts side by side."""
    total = sum(segment.share for segment in segments) or 1.0
    parts, left = [], 0.0
    for segment in segments:
        width = 1000 * segment.share / total
        text = escape(f"{segment.label}: {segment.share:.1%}")
        parts.append(
            f'<rect class="{segment.style}" x="{left:.1f}" width="{width:.1f}" height="28">'
            f"<title>{text}</title></rect>"
        )
        left += width
    return (
        '<svg class="stack" viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
