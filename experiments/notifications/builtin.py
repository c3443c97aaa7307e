"""The messages of an experiment whose file has no templates of its own."""

from __future__ import annotations

from typing import Final

from experiments.notifications.events import Ended, Event, Occasion
from experiments.notifications.templates import Template


def _page(*paragraphs: str) -> str:
    body = "".join(f"<p>{text}</p>\n" for text in ("Hello {owner},", *paragraphs))
    return f'<div style="font-family:sans-serif;line-height:1.5">\n{body}</div>\n'


_STARTED: Final = Template(
    subject="{experiment} has started",
    text="""\
Hello {owner},

{experiment} has started: {pages} pages are to be made.

Run: {run}

You will be told of trouble, and when it ends.
""",
    html=_page(
        "<b>{experiment}</b> has started: {pages} pages are to be made.",
        "Run: {run}",
        "You will be told of trouble, and when it ends.",
    ),
)

_TROUBLED: Final = Template(
    subject="{experiment} is in trouble",
    text="""\
Hello {owner},

{experiment} is in trouble. {reason}

Failed so far: {failures} of {pages} pages
Run: {run}
""",
    html=_page(
        "<b>{experiment}</b> is in trouble. {reason}",
        "Failed so far: {failures} of {pages} pages<br>Run: {run}",
    ),
)

_FINISHED: Final = Template(
    subject="{experiment} has finished",
    text="""\
Hello {owner},

{experiment} has finished.

{figures}

Report: {report}
Failed: {failures} of {pages} pages
""",
    html=_page(
        "<b>{experiment}</b> has finished.",
        "{figures}",
        "Report: {report}<br>Failed: {failures} of {pages} pages",
    ),
)

_FAILED: Final = Template(
    subject="{experiment} has failed",
    text="""\
Hello {owner},

{experiment} has failed. {reason}

Failed: {failures} of {pages} pages
Run: {run}
""",
    html=_page(
        "<b>{experiment}</b> has failed. {reason}",
        "Failed: {failures} of {pages} pages<br>Run: {run}",
    ),
)


def template_of(event: Event) -> Template:
    """Return what owners are told of an event unless their file says otherwise."""
    if isinstance(event, Ended):
        return _FAILED if event.failed else _FINISHED
    return _STARTED if event.occasion is Occasion.START else _TROUBLED
