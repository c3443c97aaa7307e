"""Owners and their messages in an experiment file: what must hold between the entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.documents.mistakes import Mistake, advise, show
from experiments.notifications.events import Occasion
from experiments.notifications.messages import (
    Notifications,
    Owner,
    is_field_name,
    is_own_field,
)
from experiments.notifications.templates import (
    BUILT_IN,
    KnownFields,
    Template,
    find_fields,
    find_text_mistakes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.documents.mistakes import Path
    from experiments.spec.entries import ExperimentEntry
    from timetravel.facts.model import JsonValue


def find_notification_mistakes(document: Mapping[str, JsonValue]) -> Iterator[Mistake]:
    """Yield what is wrong with names and templates, however wrong the rest is."""
    listed = document.get("owners")
    owners = {
        number: owner
        for number, owner in enumerate(listed if isinstance(listed, list) else ())
        if isinstance(owner, Mapping)
    }
    given = _mapping_at(document.get("notifications"))
    defaults = _mapping_at(given.get("defaults"))
    texts = dict(_find_texts(_mapping_at(given.get("templates"))))
    yield from _find_repeated_names(owners)
    for number, owner in owners.items():
        yield from _find_channel_mistakes(number, owner.get("channels"))
        for name in _mapping_at(owner.get("fields")):
            yield from _check_own_field(("owners", number, "fields", name), name)
    known = KnownFields(
        {
            _call(number, owner): frozenset(_mapping_at(owner.get("fields")))
            for number, owner in owners.items()
        },
        frozenset(defaults),
    )
    yield from _find_idle_defaults(defaults, known, texts)
    for path, text in texts.items():
        for mistake in find_text_mistakes(text, known):
            yield replace(mistake, path=path)


def build_notifications(entry: ExperimentEntry) -> Notifications:
    """Return what the entries of a file say."""
    written = entry.notifications.templates
    return Notifications(
        owners=tuple(
            Owner(owner.name, tuple(owner.channels), owner.fields) for owner in entry.owners
        ),
        templates={
            occasion: Template(template.text, template.subject, template.html)
            for occasion in Occasion
            if (template := getattr(written, occasion.value)) is not None
        },
        defaults=entry.notifications.defaults,
    )


def _mapping_at(value: JsonValue) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}


def _find_texts(templates: Mapping[str, JsonValue]) -> Iterator[tuple[Path, str]]:
    for occasion in Occasion:
        template = _mapping_at(templates.get(occasion.value))
        for part in ("subject", "text", "html"):
            text = template.get(part)
            if isinstance(text, str):
                yield ("notifications", "templates", occasion.value, part), text


def _call(number: int, owner: Mapping[str, JsonValue]) -> str:
    name = owner.get("name")
    return name if isinstance(name, str) and name else f"owners[{number}]"


def _find_repeated_names(owners: Mapping[int, Mapping[str, JsonValue]]) -> Iterator[Mistake]:
    names: dict[str, int] = {}
    for number, owner in owners.items():
        name = owner.get("name")
        if isinstance(name, str) and names.setdefault(name, number) != number:
            yield Mistake(
                ("owners", number, "name"),
                f"{show(name)} is the name of owners[{names[name]}] already.",
                "Give each owner their own.",
            )


def _find_channel_mistakes(number: int, channels: JsonValue) -> Iterator[Mistake]:
    if not isinstance(channels, list):
        return
    if not channels:
        yield Mistake(
            ("owners", number, "channels"),
            "There is no channel to tell them over.",
            "Write an e-mail address, or the name of a channel.",
        )
    for place, channel in enumerate(channels):
        if isinstance(channel, str) and channel in channels[:place]:
            yield Mistake(
                ("owners", number, "channels", place),
                "This channel stands in the list already.",
                "Name each once.",
            )


def _check_own_field(path: Path, name: str) -> Iterator[Mistake]:
    if name in BUILT_IN:
        yield Mistake(
            path, f"{show(name)} is a field that every message has.", "Choose another name."
        )
    elif not is_own_field(name):
        yield Mistake(
            path,
            f"{show(name)} is not a lower-case letter, then up to 39 lower-case letters, "
            "digits and _.",
            "Choose such a name, e.g. team.",
        )


def _find_idle_defaults(
    defaults: Mapping[str, JsonValue], known: KnownFields, texts: Mapping[Path, str]
) -> Iterator[Mistake]:
    used = frozenset[str]().union(
        BUILT_IN, *known.own.values(), *(find_fields(text) for text in texts.values())
    )
    for name in defaults:
        if name not in used or not is_field_name(name):
            yield Mistake(
                ("notifications", "defaults", name),
                f"{show(name)} is a field that no owner has and no template names.",
                advise(name, sorted(used)),
            )
