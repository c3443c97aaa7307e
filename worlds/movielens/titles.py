"""Film titles as MovieLens writes them: "Toy Story (1995)"."""

from __future__ import annotations

import re
from collections import deque
from typing import Final

_DASHES: Final = "-\u2010-\u2015\u2212"
_YEARS: Final = re.compile(
    rf"\(\s*(?P<year>(?:18|19|20)[0-9]{{2}})\s*(?:[{_DASHES}]\s*(?:[0-9]{{4}}|[0-9]{{2}})?\s*)?\)+"
)
_BEHIND_YEARS: Final = re.compile(r"(?:\s*\([^()]*\))*\s*")


def split_title(text: str) -> tuple[str, int | None]:
    """Return the title without its year, and the year; None where there is none.

    Of a span, "(2006-2007)", the first year counts. Only other parentheses may stand behind
    the year, "Night Ferry (1957) (The Last Boat)", and stay in the title. A year is one of a
    film: from 1800 to 2099.
    """
    found = deque(_YEARS.finditer(text), maxlen=1)
    if not found or not _BEHIND_YEARS.fullmatch(text, found[0].end()):
        return text.strip(), None
    years = found[0]
    title, behind = text[: years.start()].strip(), text[years.end() :].strip()
    if not title:
        return text.strip(), None
    return f"{title} {behind}".rstrip(), int(years["year"])
