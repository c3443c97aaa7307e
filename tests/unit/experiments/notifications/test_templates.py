"""Templates and the messages that are made of them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import InvalidSpec
from experiments.notifications import Ended, Notifications, Started, Troubled
from experiments.notifications.events import Event, Occasion
from experiments.notifications.messages import MAXIMUM_SUBJECT, Owner, compose_messages
from experiments.notifications.templates import (
    BUILT_IN,
    BUILT_IN_DEFAULTS,
    KnownFields,
    Template,
    fill_html,
    fill_text,
    find_text_mistakes,
)
from tests.support.strategies import notifications

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.notifications.messages import Message

KNOWN = KnownFields({"Growth": frozenset({"team"}), "Search": frozenset()}, frozenset())

EVENTS = (
    Started("demo", "runs/demo", 3000),
    Troubled("demo", "runs/demo", 3000, 7, reason="Because."),
    Ended(
        "demo", "runs/demo", 3000, 7, report="runs/demo/report.html", figures=("One.", "Two.")
    ),
    Ended("demo", "runs/demo", 3000, 9, failed=True, reason="Nobody answered."),
)


def events() -> st.SearchStrategy[Event]:
    """Return events of any wording, however strange."""
    text = st.text(max_size=300)
    count = st.integers(0, 10**9)
    return st.one_of(
        st.builds(Started, text, text, count, count),
        st.builds(Troubled, text, text, count, count, reason=text),
        st.builds(
            Ended,
            text,
            text,
            count,
            count,
            failed=st.booleans(),
            reason=text,
            report=text,
            figures=st.lists(text, max_size=3).map(tuple),
        ),
    )


def message(template: Template, event: Event, owner: Owner, **defaults: str) -> Message:
    told = Notifications((owner,), {event.occasion: template}, defaults)
    ((_, composed),) = compose_messages(told, event)
    return composed


GROWTH = Owner("Growth", ("growth@example.com",), {"team": "homepage"})


def test_fields_are_replaced_by_their_values() -> None:
    template = Template("{owner} ({team}): {experiment} has {state}, {{all}} of {pages}")
    composed = message(template, EVENTS[2], GROWTH)
    assert composed.text == "Growth (homepage): demo has finished, {all} of 3,000"


def test_an_owner_without_a_field_gets_its_default() -> None:
    template = Template("{team}, {report}")
    search = Owner("Search", ("team-chat",))
    assert (
        message(template, EVENTS[0], search, team="your team").text == "your team, not written"
    )
    told = message(template, EVENTS[0], GROWTH, team="your team", report="soon")
    assert told.text == "homepage, soon"


def test_what_the_file_leaves_out_of_a_template_is_made_up_for() -> None:
    composed = message(Template("<{experiment}>\nRun: {run}"), EVENTS[3], GROWTH)
    assert composed.subject == "demo has failed"
    assert composed.html == "<p>&lt;demo&gt;<br>Run: runs/demo</p>"


@pytest.mark.parametrize("event", EVENTS, ids=["start", "trouble", "finish", "failure"])
def test_the_built_in_messages_tell_what_happened(
    event: Event, golden: Callable[[str, str], None]
) -> None:
    ((_, told),) = compose_messages(Notifications((GROWTH,)), event)
    shown = f"{told.tone}: {told.subject}\n\n{told.text}\n{told.html}"
    name = told.subject.replace(" ", "-")
    golden(f"experiments/notifications/{name}.txt", shown)


def spell_mistakes(text: str) -> list[str]:
    return [f"{one.problem} {one.remedy}" for one in find_text_mistakes(text, KNOWN)]


def test_a_field_that_nobody_has_is_refused_with_the_one_that_was_meant() -> None:
    assert spell_mistakes("{experimnt} {experimnt} {owner}") == [
        "'{experimnt}' is no field. Did you mean 'experiment'?"
    ]


def test_a_field_that_one_owner_lacks_needs_a_default() -> None:
    (mistake,) = spell_mistakes("{team}")
    assert mistake == (
        "'{team}' has no value for 'Search'. Add team to the owner's fields, or to "
        "notifications.defaults."
    )


@pytest.mark.parametrize("text", ["{owner.name}", "{owner!r}", "{pages:>9}", "{0}", "{}"])
def test_fields_are_names_and_nothing_else(text: str) -> None:
    assert len(spell_mistakes(text)) == 1


def test_braces_of_styles_are_taken_for_what_they_are() -> None:
    (mistake,) = spell_mistakes("<style>p { color: red }</style>")
    assert mistake.endswith("Write {{ and }} for braces themselves.")
    assert not spell_mistakes("<style>p {{ color: red }}</style>")
    assert spell_mistakes("{owner} }") == [
        "'}' stands alone. Write }} for the brace itself, or name a field, e.g. {experiment}."
    ]


@given(st.text(st.sampled_from("{}ow ner")) | st.text(), st.text())
def test_a_template_without_mistakes_can_be_filled_in(text: str, value: str) -> None:
    if not spell_mistakes(text):
        values = dict.fromkeys((*BUILT_IN, "team"), value)
        fill_text(text, values)
        fill_html(text, values)


@given(notifications(), events())
def test_every_owner_gets_one_message_whatever_is_told(
    told: Notifications, event: Event
) -> None:
    composed = list(compose_messages(told, event))
    assert [owner for owner, _ in composed] == list(told.owners)
    for _, one in composed:
        assert len(one.subject) <= MAXIMUM_SUBJECT
        assert one.subject.isprintable() or not re.search(r"[\x00-\x1f\x7f]", one.subject)
        assert one.text
        assert one.html
        for text in (one.subject, one.text, one.html):
            text.encode()


class Tags(HTMLParser):
    """Notes tags and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts += [value or "" for name, value in attrs if name == "title"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1))
def test_html_shows_values_and_takes_nothing_in_them_for_markup(value: str) -> None:
    read = Tags()
    read.feed(fill_html('<p title="{reason}"><b>{reason}</b></p>', {"reason": value}))
    read.close()
    assert read.tags == ["p", "b"]
    assert read.texts[0] == value
    assert "".join(read.texts[1:]) == value


def test_lines_of_a_value_are_lines_of_html() -> None:
    told = message(Template("{figures}", html="<p>{figures}</p>"), EVENTS[2], GROWTH)
    assert told.html == "<p>One.<br>Two.</p>"


def test_a_subject_stays_one_line() -> None:
    event = Troubled("demo", "x", 1, reason="a\r\nBcc: b\x00")
    told = message(Template("x", subject="{reason}"), event, GROWTH)
    assert told.subject == "a Bcc: b\\u0000"


@pytest.mark.parametrize(
    "build",
    [
        lambda: Owner("", ("team-chat",)),
        lambda: Owner("A\nB", ("team-chat",)),
        lambda: Owner("Growth", ()),
        lambda: Owner("Growth", ("team-chat", "team-chat")),
        lambda: Owner("Growth", ("slack://secret",)),
        lambda: Owner("Growth", ("team-chat",), {"owner": "Search"}),
        lambda: Notifications((GROWTH, GROWTH)),
        lambda: Notifications((GROWTH,), {Occasion.START: Template("{rport}")}),
        lambda: Notifications((), {Occasion.START: Template("")}),
    ],
)
def test_notifications_that_cannot_be_told_cannot_be_built(build: Callable[[], object]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        build()
    assert "secret" not in str(caught.value)


def test_the_page_of_notifications_has_every_field_and_its_default() -> None:
    page = (Path(__file__).parents[4] / "docs" / "notifications.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.*?) ?\|$", page, re.MULTILINE)
    assert rows == [
        (name, holds, BUILT_IN_DEFAULTS.get(name, "")) for name, holds in BUILT_IN.items()
    ]
