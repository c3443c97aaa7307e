"""Reads YAML 1.2 with the line of every value.

Plain scalars follow the core schema of YAML 1.2 (section 10.3.2): 2016-01-01 is text, and so
is NO. Aliases and tags are refused, so that a file is no larger than it looks.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import yaml

from experiments.documents.mistakes import Mistake, Path, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timetravel.facts.model import JsonValue

MAXIMUM_BYTES: Final = 1024 * 1024
MAXIMUM_DEPTH: Final = 32

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
# A longer number is not a quantity that anybody means; it stays text and is refused as such.
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,40}")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Purpose:
    """Say what a file is for, in the words of its mistakes.

    Args:
        noun: What it holds one of.
        article: Of the noun.
        example: How to begin one, as a sentence.
    """

    noun: str = "experiment"
    article: str = "an"
    example: str = "Begin with a copy of examples/demo.yaml."


EXPERIMENT: Final = Purpose()


@dataclass(slots=True)
class Source:
    """Hold what a text says.

    Args:
        value: Mappings, lists and scalars.
        lines: The line of each place, counted from 1; of a key where there is one.
        mistakes: What is wrong with the text itself.
        unreadable: Places whose value is not known for one of these mistakes.
    """

    value: JsonValue = None
    lines: dict[Path, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    unreadable: set[Path] = field(default_factory=set)


class _Unreadable(Exception):
    """Ends the reading of a text at a mistake after which nothing makes sense."""


def read_source(data: bytes, purpose: Purpose = EXPERIMENT) -> Source:
    """Return what the bytes of a file say; what is wrong with them is among its mistakes."""
    reading = _Reading(purpose)
    try:
        reading.read(_decode(data, purpose))
    except _Unreadable as end:
        (mistake,) = end.args
        reading.source.mistakes.append(mistake)
        reading.source.unreadable.add(())
    return reading.source


def resolve(text: str) -> JsonValue:
    """Return the value of a plain scalar (YAML 1.2 core schema, without inf and nan)."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


class _Reading:
    """One pass over the events of a text."""

    def __init__(self, purpose: Purpose) -> None:
        self.source = Source()
        self._purpose = purpose
        self._events: Iterator[yaml.Event] = iter(())

    def read(self, text: str) -> None:
        try:
            self._events = yaml.parse(text, Loader=yaml.SafeLoader)
            self._read_stream()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            raise _stop(line, *_explain(error, text, line)) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise _stop(
                line,
                f"The character U+{ord(text[error.position]):04X} cannot stand in YAML.",
                'Remove it, or write it as "\\x07" and the like in double quotes.',
            ) from None

    def _read_stream(self) -> None:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise _stop(1, "The file is empty.", self._purpose.example)
        first = self._next()
        self.source.lines[()] = _line_of(first)
        self.source.value = self._read_node(first, ())
        self._next()
        more = self._next()
        if not isinstance(more, yaml.StreamEndEvent):
            raise _stop(
                _line_of(more),
                f"A second document begins here; a file holds one {self._purpose.noun}.",
                "Put it into a file of its own.",
            )

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _read_node(self, event: yaml.Event, path: Path) -> JsonValue:
        line = _line_of(event)
        if len(path) > MAXIMUM_DEPTH:
            raise _stop(
                line,
                f"Values are nested more than {MAXIMUM_DEPTH} deep.",
                f"Nothing in {self._purpose.article} {self._purpose.noun} is; close some "
                "brackets.",
            )
        if isinstance(event, yaml.AliasEvent):
            return self._refuse(
                path,
                f"*{event.anchor} is an alias, which {self._purpose.noun} files do not use.",
                "Write the value out.",
                line,
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            self._refuse(
                path,
                f"{show(event.tag)} is a tag, which {self._purpose.noun} files do not use.",
                "Leave it out.",
                line,
            )
        if isinstance(event, yaml.SequenceStartEvent):
            return self._read_list(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._read_mapping(path)
        if isinstance(event, yaml.ScalarEvent):
            return self._read_scalar(event, path)
        raise AssertionError(event)  # YAML has no other nodes

    def _read_scalar(self, event: yaml.ScalarEvent, path: Path) -> JsonValue:
        text: str = event.value
        if not _is_unicode(text):
            return self._refuse(
                path,
                f"{show(text)} is not Unicode text: it holds half of a surrogate pair.",
                "Write the character itself.",
                _line_of(event),
            )
        return resolve(text) if event.style is None else text

    def _read_list(self, path: Path) -> JsonValue:
        items: list[JsonValue] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            place = (*path, len(items))
            self.source.lines[place] = _line_of(event)
            items.append(self._read_node(event, place))
        return items

    def _read_mapping(self, path: Path) -> JsonValue:
        entries: dict[str, JsonValue] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = _line_of(event)
            if not isinstance(event, yaml.ScalarEvent) or not _is_unicode(event.value):
                self._refuse(path, "A key here is not text.", "Write it as one word.", line)
                self._skip(event)
                self._skip(self._next())
                continue
            key: str = event.value
            place = (*path, key)
            if key in entries:
                self.source.mistakes.append(
                    Mistake(
                        place,
                        f"This key stands at line {self.source.lines[place]} already.",
                        "Keep one of them.",
                        line,
                    )
                )
                self._skip(self._next())
                continue
            self.source.lines[place] = line
            entries[key] = self._read_node(self._next(), place)
        return entries

    def _skip(self, event: yaml.Event) -> None:
        """Pass over a value, of which the first event is given."""
        depth = 0
        while True:
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if not depth:
                return
            event = self._next()

    def _refuse(self, path: Path, problem: str, remedy: str, line: int) -> JsonValue:
        self.source.mistakes.append(Mistake(path, problem, remedy, line))
        self.source.unreadable.add(path)
        return None


def _decode(data: bytes, purpose: Purpose) -> str:
    if len(data) > MAXIMUM_BYTES:
        raise _stop(
            1,
            f"The file is larger than {MAXIMUM_BYTES} bytes.",
            f"Is it {purpose.article} {purpose.noun}? Lists of that length belong in the "
            "store.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _stop(
            data.count(b"\n", 0, error.start) + 1,
            f"The byte 0x{data[error.start]:02X} is not UTF-8.",
            "Save the file as UTF-8.",
        ) from None


def _explain(error: yaml.MarkedYAMLError, text: str, line: int) -> tuple[str, str]:
    """Return what is wrong with the YAML, and what to do."""
    problem = " ".join(str(error.problem or error.context or "it cannot be read").split())
    lines = text.split("\n")
    if line <= len(lines) and "\t" in lines[line - 1]:
        return f"This is not YAML: {problem}.", "Indent with spaces instead of tabs."
    began = error.context_mark.line + 1 if error.context_mark else line
    if began != line:
        return (
            f"This is not YAML: {problem} ({error.context}, which began at line {began}).",
            "Mend the indentation or the bracket between the two.",
        )
    return f"This is not YAML: {problem}.", "Mend this line or the one before it."


def _line_of(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _stop(line: int, problem: str, remedy: str) -> _Unreadable:
    return _Unreadable(Mistake((), problem, remedy, line))
