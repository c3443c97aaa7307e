"""Templates of messages: texts with named fields in braces.

`{experiment}` is replaced by the value of that field; `{{` and `}}` stand for the braces
themselves.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from experiments.documents.mistakes import Mistake, advise, show

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BUILT_IN: Final[Mapping[str, str]] = {
    "owner": "the owner's name",
    "experiment": "the experiment's name",
    "state": "`running`, `in trouble`, `finished` or `failed`",
    "pages": "how many pages are to be made, of all variants",
    "failures": "how many of them could not be made so far",
    "reason": "what went wrong",
    "run": "where the files of the run are",
    "report": "where the report is",
    "figures": "the main figures, a line for each",
}
"""The fields that every message has, and what they hold."""

BUILT_IN_DEFAULTS: Final[Mapping[str, str]] = {
    "reason": "nothing went wrong",
    "run": "not known",
    "report": "not written",
    "figures": "none yet",
}
"""What stands for fields that have no value on every occasion."""

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Template:
    """Hold the parts of a message, with fields in braces.

    Args:
        text: For chats, webhooks and mail without HTML.
        subject: Empty means the built-in one.
        html: Empty means the text, escaped.
    """

    text: str
    subject: str = ""
    html: str = ""

    @property
    def parts(self) -> Mapping[str, str]:
        """The texts by name."""
        return {"subject": self.subject, "text": self.text, "html": self.html}


@dataclass(frozen=True, slots=True)
class KnownFields:
    """Say which fields a template may name.

    Args:
        own: Names of the fields that each owner has, by how messages call the owner.
        defaults: Names of fields that have a default.
    """

    own: Mapping[str, frozenset[str]]
    defaults: frozenset[str]

    @property
    def names(self) -> Sequence[str]:
        """All of them: the built-in ones, then the others ascending."""
        more = self.defaults.union(*self.own.values()) - BUILT_IN.keys()
        return (*BUILT_IN, *sorted(more))

    def find_lacking(self, name: str) -> Sequence[str]:
        """Return the owners for whom a field would have no value."""
        if name in BUILT_IN or name in self.defaults:
            return ()
        return [owner for owner, names in self.own.items() if name not in names]


def find_fields(text: str) -> frozenset[str]:
    """Return the names of the fields in a template."""
    return frozenset(found[1] for found in _TOKEN.finditer(text) if found[1] is not None)


def find_text_mistakes(text: str, known: KnownFields) -> Iterator[Mistake]:
    """Yield what keeps a template from being filled in, each once; their paths are empty."""
    for name in dict.fromkeys(
        found[1] for found in _TOKEN.finditer(text) if found[1] is not None
    ):
        spelt = show(f"{{{name}}}")
        if name not in known.names:
            remedy = advise(name, known.names)
            if "{" + name + "}" != "{" + name.strip() + "}" or not name.strip().isidentifier():
                remedy += " Write {{ and }} for braces themselves."
            yield Mistake((), f"{spelt} is no field.", remedy)
        elif lacking := known.find_lacking(name):
            yield Mistake(
                (),
                f"{spelt} has no value for {show(lacking[0])}"
                f"{f' and {len(lacking) - 1} more' if lacking[1:] else ''}.",
                f"Add {name} to the owner's fields, or to notifications.defaults.",
            )
    for brace in dict.fromkeys(
        found[0] for found in _TOKEN.finditer(text) if found[0] in {"{", "}"}
    ):
        yield Mistake(
            (),
            f"{brace!r} stands alone.",
            f"Write {brace * 2} for the brace itself, or name a field, e.g. {{experiment}}.",
        )


def fill_text(template: str, values: Mapping[str, str]) -> str:
    """Return a template with the values of its fields."""
    return _TOKEN.sub(lambda found: _replace(found, values), template)


def fill_html(template: str, values: Mapping[str, str]) -> str:
    """Return a template of HTML with the values of its fields, escaped."""
    return fill_text(template, {name: escape(value) for name, value in values.items()})


def escape(text: str) -> str:
    """Return text as HTML shows it, lines as lines."""
    return html.escape(text).replace("\n", "<br>")


def _replace(found: re.Match[str], values: Mapping[str, str]) -> str:
    name: str | None = found[1]
    return found[0][0] if name is None else values[name]
