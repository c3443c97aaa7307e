"""Reads HTML as a list of elements, and minds that they are balanced."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_EMPTY = frozenset({"meta", "br", "link", "img", "input", "base"})


@dataclass
class Element:
    """One element: its name, its attributes, and all text inside it."""

    name: str
    attributes: dict[str, str]
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())


class Page(HTMLParser):
    """The elements of a document in order; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, [element.name for element in self._open]

    def all(self, *names: str) -> list[Element]:
        return [element for element in self.elements if element.name in names]

    def having(self, *classes: str) -> list[Element]:
        return [element for element in self.elements if {*classes} <= element.classes]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> ends what has not begun"
        opened = self._open.pop()
        assert opened.name == tag, f"</{tag}> ends <{opened.name}>"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)
