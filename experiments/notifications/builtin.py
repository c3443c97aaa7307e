"""The messages of an experiment whose file has no templates of its own."""

from __future__ import annotations

from typing import Final

from experiments.notifications.events import Ended, Event, Occasion
from experiments.notifications.templates import Template

_STYLE: Final = "font-family:sans-serif;line-height:1.5"
_CELL: Final = "padding:0 1.5em 0 0;vertical-align:top;text-align:left"


def _table(**rows: str) -> str:
    lines = "".join(
        f'<tr><th style="{_CELL}">{name.capitalize()}</th><td>{value}</td></tr>\n'
        for name, value in rows.items()
    )
    return f"<table>\n{lines}</table>\n"


def _page(body: str) -> str:
    return f'<div style="{_STYLE}">\n<p>Hello {{owner}},</p>\n{body}</div>\n'


_STARTED: Final = Template(
    subject="{experiment} has started",
    text="""\
Hello {owner},

{experiment} has started: {pages} pages are to be made.

Run: {run}

You will be told of trouble, and when it ends.
""",
    html=_page(
        "<p><b>{experiment}</b> has started: {pages} pages are to be made.</p>\n"
        + _table(run="{run}")
        + "<p>You will be told of trouble, and when it ends.</p>\n"
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
        "<p><b>{experiment}</b> is in trouble. {reason}</p>\n"
        + _table(failures="{failures} of {pages} pages so far", run="{run}")
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
        "<p><b>{experiment}</b> has finished.</p>\n<p>{figures}</p>\n"
        + _table(report="{report}", failures="{failures} of {pages} pages")
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
        "<p><b>{experiment}</b> has failed. {reason}</p>\n"
        + _table(failures="{failures} of {pages} pages", run="{run}")
    ),
)


def template_of(event: Event) -> Template:
    """Return what owners are told of an event unless their file says otherwise."""
    if isinstance(event, Ended):
        return _FAILED if event.failed else _FINISHED
    return _STARTED if event.occasion is Occasion.START else _TROUBLED
