"""Film titles as MovieLens writes them: "Toy Story (1995)"."""

from __future__ import annotations

import re
from typing import Final

_WITH_YEAR: Final = re.compile(r"(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–](?:\d{4})?)?\)\s*")  # noqa: RUF001 - the data has en dashes


def split_title(text: str) -> tuple[str, int | None]:
    """Return the title without its year, and the year; None where there is none.

    Of a span, "(2006-2007)", the first year counts.
    """
    found = _WITH_YEAR.fullmatch(text)
    if found is None:
        return text.strip(), None
    return found["title"], int(found["year"])
