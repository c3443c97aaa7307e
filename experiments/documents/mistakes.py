"""Mistakes in a YAML file, reported all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, TypeAlias

from experiments.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.errors import PagesimError

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list places from the top of a document, e.g. ("variants", 0, "name")."""

MAXIMUM_TOLD: Final = 50
_SHOWN_LENGTH: Final = 60
_LISTED_CHOICES: Final = 12
_LIKENESS: Final = 0.6


@dataclass(frozen=True, slots=True)
class Mistake:
    """Say what is wrong at one place, and what to do.

    Args:
        path: The place.
        problem: The value and the rule it breaks, as a sentence.
        remedy: What to do, as a sentence.
        line: Where the place is not enough, e.g. at a repeated key; counts from 1.
    """

    path: Path
    problem: str
    remedy: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class LocatedMistake:
    """Say what is wrong in a file, and where.

    Args:
        line: Counts from 1; 0 if it is nowhere in particular.
        field: The place, e.g. variants[0].name; empty for the file as a whole.
        problem: The value and the rule it breaks, as a sentence.
        remedy: What to do, as a sentence.
    """

    line: int
    field: str
    problem: str
    remedy: str

    def locate(self, name: str) -> str:
        """Return where it is in the file of that name."""
        place = f"{name}:{self.line}" if self.line else name
        return f"{place}: {self.field}" if self.field else place


def locate(
    mistakes: Iterable[Mistake], lines: Mapping[Path, int]
) -> tuple[LocatedMistake, ...]:
    """Return mistakes by line; a place that has none is at the line of its parent."""
    located = (
        LocatedMistake(
            one.line or _line_of(one.path, lines),
            spell_path(one.path),
            one.problem,
            one.remedy,
        )
        for one in mistakes
    )
    return tuple(sorted(located, key=lambda one: (one.line, one.field, one.problem)))


def refuse(
    mistakes: Iterable[Mistake],
    lines: Mapping[Path, int],
    name: str,
    kind: type[PagesimError] = InvalidSpec,
) -> PagesimError:
    """Return the error that tells every mistake, by line.

    Args:
        mistakes: One or more.
        lines: The line of each place; a place that has none is at the line of its parent.
        name: Of the file.
        kind: Of the error.
    """
    return refuse_located(locate(mistakes, lines), name, kind)


def refuse_located(
    located: Sequence[LocatedMistake], name: str, kind: type[PagesimError] = InvalidSpec
) -> PagesimError:
    """Return the error that tells mistakes, one or more, in their order."""
    if len(located) == 1:
        (only,) = located
        return kind(only.problem, remedy=only.remedy, field=only.locate(name))
    listed = [
        f"  {one.locate(name)}: {one.problem} {one.remedy}" for one in located[:MAXIMUM_TOLD]
    ]
    if len(located) > MAXIMUM_TOLD:
        listed.append(f"  ... and {len(located) - MAXIMUM_TOLD} more.")
    return kind(
        f"There are {len(located)} mistakes.",
        remedy="Mend each of them:\n" + "\n".join(listed),
        field=name,
    )


def spell_path(path: Path) -> str:
    """Return a place as text, e.g. variants[0].name."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            plain = part if re.fullmatch(r"[\w:-]{1,60}", part) else show(part)
            text += f".{plain}" if text else plain
    return text


def show(value: object) -> str:
    """Return a value of a file as a message shows it, in quotes if it is text; never long.

    Of a URL only the beginning is shown: the rest may be a password.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "A mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "A list"
    if value is None:
        return "Nothing"
    if isinstance(value, str) and "://" in value:
        value = f"{value.partition('://')[0]}://..."
    text = repr(value)
    if len(text) <= _SHOWN_LENGTH:
        return text
    return f"{text[:_SHOWN_LENGTH]}...{text[0] if isinstance(value, str) else ''}"


def suggest(text: str, choices: Sequence[str]) -> str:
    """Return the choice that was probably meant, or an empty text."""
    wanted = _skeleton(text)
    skeletons = {_skeleton(choice): choice for choice in choices}
    near = get_close_matches(wanted, skeletons, n=1, cutoff=_LIKENESS)
    return skeletons[near[0]] if near else ""


def advise(text: str, choices: Sequence[str]) -> str:
    """Return the remedy for a word that is none of the choices."""
    meant = suggest(text, choices)
    if meant:
        return f"Did you mean {meant!r}?"
    listed = ", ".join(choices[:_LISTED_CHOICES])
    return f"Use one of {listed}." if len(choices) > 1 else f"Use {listed}."


def _skeleton(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text[:_SHOWN_LENGTH].casefold())


def _line_of(path: Path, lines: Mapping[Path, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)
