r"""Text of data as a screen may show it: nothing in it moves a cursor or turns text around.

Control characters (C0, DEL, C1), invisible ones (bidirectional overrides, zero width, soft
hyphens, line separators) and lone surrogates are shown as JSON escapes them, "\u001b". So
JSON in which they are escaped means what it meant. A joiner stays where it joins letters
beyond Latin ones, or emoji, whose shape it decides.
"""

from __future__ import annotations

import json
import re
from typing import Final

_JOINERS: Final = "\u200c\u200d"
_INVISIBLE: Final = (
    "\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff\ud800-\udfff"
)
_JOINED: Final = rf"[^\x00-\u02ff\u2000-\u206f{_INVISIBLE}]"
_LOOSE_JOINER: Final = rf"(?<!{_JOINED})[{_JOINERS}]|[{_JOINERS}](?!{_JOINED})"
_UNSAFE: Final = re.compile(rf"[\x00-\x08\x0b-\x1f{_INVISIBLE}]|{_LOOSE_JOINER}")
_UNSAFE_IN_LINES: Final = re.compile(rf"[\x00-\x1f{_INVISIBLE}]|{_LOOSE_JOINER}")


def escape_controls(text: str) -> str:
    """Return text without control and invisible characters; it may have lines and tabs."""
    return _UNSAFE.sub(_escape, text)


def escape_line(text: str) -> str:
    """Return a text of data, e.g. a title, without any of them: it stays on one line."""
    return _UNSAFE_IN_LINES.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if found[0] != "\x7f" else "\\u007f"
