"""Who is told of an experiment, in which words, and the message for each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from core.screen_text import escape_controls, escape_line
from experiments.documents.patterns import NAME_PATTERN, STRATUM_PATTERN
from experiments.errors import InvalidSpec
from experiments.notifications.builtin import template_of
from experiments.notifications.events import Occasion
from experiments.notifications.templates import (
    BUILT_IN,
    BUILT_IN_DEFAULTS,
    KnownFields,
    Template,
    escape,
    fill_html,
    fill_text,
    find_text_mistakes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.notifications.events import Event, Tone
    from timetravel.facts.model import JsonValue

MAXIMUM_OWNERS: Final = 20
MAXIMUM_CHANNELS: Final = 5
MAXIMUM_OWNER_NAME: Final = 80
MAXIMUM_VALUE: Final = 500
MAXIMUM_SUBJECT: Final = 200
MAXIMUM_BODY: Final = 20_000
MAXIMUM_EMAIL: Final = 254

_EMAIL: Final = re.compile(r"[\w.%+-]+@[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Owner:
    """Name one who is told.

    Args:
        name: As messages address them.
        channels: E-mail addresses, and names of channels that the operator gives.
        fields: Their own, which templates may name.
    """

    name: str
    channels: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require(condition=is_owner_name(self.name), problem=f"{self.name!r} is no name.")
        _require(
            condition=1 <= len(set(self.channels)) == len(self.channels) <= MAXIMUM_CHANNELS
            and all(is_email(one) or is_channel_name(one) for one in self.channels),
            # A channel may be an address that somebody wrote here, with its secrets.
            problem=f"{self.name!r} must have 1 to {MAXIMUM_CHANNELS} channels, each once: "
            "e-mail addresses or names.",
        )
        _require(
            condition=all(is_own_field(name) for name in self.fields),
            problem=f"{[*self.fields]} are not all names that an owner's fields may have.",
        )


@dataclass(frozen=True, slots=True)
class Notifications:
    """Say who is told, and in which words.

    Args:
        owners: Nobody is told if there are none.
        templates: By occasion; the built-in ones are used for the others.
        defaults: What stands for a field that has no value.
    """

    owners: tuple[Owner, ...] = ()
    templates: Mapping[Occasion, Template] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [owner.name for owner in self.owners]
        _require(
            condition=len(set(names)) == len(names) <= MAXIMUM_OWNERS,
            problem=f"{names} must be at most {MAXIMUM_OWNERS}, each once.",
        )
        known = KnownFields(
            {
                owner.name: frozenset(name for name, value in owner.fields.items() if value)
                for owner in self.owners
            },
            frozenset(self.defaults),
        )
        for template in self.templates.values():
            _require(condition=bool(template.text), problem="A template has no text.")
            for text in template.parts.values():
                for mistake in find_text_mistakes(text, known):
                    _require(condition=False, problem=mistake.problem)

    def to_documents(self) -> dict[str, JsonValue]:
        """Return the keys of an experiment file that say the same, every one written out."""
        return {
            "owners": [
                {
                    "name": owner.name,
                    "channels": list(owner.channels),
                    "fields": dict(owner.fields),
                }
                for owner in self.owners
            ],
            "notifications": {
                "templates": {
                    occasion.value: dict(self.templates[occasion].parts)
                    if occasion in self.templates
                    else None
                    for occasion in Occasion
                },
                "defaults": dict(self.defaults),
            },
        }


@dataclass(frozen=True, slots=True)
class Message:
    """Hold what one owner is told.

    Args:
        subject: One line.
        text: The whole message without markup.
        html: The whole message as a fragment of HTML.
        tone: How good the news is.
    """

    subject: str
    text: str
    html: str
    tone: Tone


def compose_messages(
    notifications: Notifications, event: Event
) -> Iterator[tuple[Owner, Message]]:
    """Yield what each owner is told of an event."""
    standard = template_of(event)
    template = notifications.templates.get(event.occasion, standard)
    template = replace(template, subject=template.subject or standard.subject)
    for owner in notifications.owners:
        given = {"owner": owner.name, **owner.fields, **event.to_fields()}
        values = {
            **dict.fromkeys(BUILT_IN, ""),
            **BUILT_IN_DEFAULTS,
            **notifications.defaults,
            **{name: "\n".join(text.splitlines()) for name, text in given.items() if text},
        }
        yield owner, _fill(template, values, event.tone)


def is_owner_name(text: str) -> bool:
    """Return whether messages can address somebody so."""
    return 0 < len(text.strip()) <= len(text) <= MAXIMUM_OWNER_NAME and (
        escape_line(text) == text
    )


def is_email(text: str) -> bool:
    """Return whether a channel is an e-mail address."""
    return len(text) <= MAXIMUM_EMAIL and _EMAIL.fullmatch(text) is not None


def is_channel_name(text: str) -> bool:
    """Return whether a channel can be one that the operator gives."""
    return re.fullmatch(NAME_PATTERN, text) is not None and not text.endswith("\n")


def is_field_name(text: str) -> bool:
    """Return whether templates can name a field so."""
    return re.fullmatch(STRATUM_PATTERN, text) is not None and not text.endswith("\n")


def is_own_field(text: str) -> bool:
    """Return whether an owner may have a field of that name."""
    return is_field_name(text) and text not in BUILT_IN


def _fill(template: Template, values: Mapping[str, str], tone: Tone) -> Message:
    subject = escape_line(" ".join(fill_text(template.subject, values).split()))
    subject = subject or values["experiment"]
    if len(subject) > MAXIMUM_SUBJECT:
        subject = f"{subject[: MAXIMUM_SUBJECT - 1]}…"
    # Channels refuse a message without a body.
    text = escape_controls(fill_text(template.text, values))
    text = text if text.strip() else subject
    html = fill_html(template.html, values) if template.html else f"<p>{escape(text)}</p>"
    return Message(subject, text, escape_controls(html), tone)


def _require(*, condition: bool, problem: str) -> None:
    if not condition:
        raise InvalidSpec(problem, remedy="See docs/notifications.md.", field="notifications")
