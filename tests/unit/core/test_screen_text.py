"""Text of data that is safe on a screen, and JSON that means what it meant."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.screen_text import escape_controls, escape_line

INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
VISIBLE_FORMATS = {
    chr(code) for code in (*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2)
}
"""Signs of Arabic and Syriac, which are drawn."""


def is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in INVISIBLE and ord(character) < 0x11000


@given(st.text())
def test_a_line_holds_no_character_that_moves_the_cursor_or_cannot_be_seen(text: str) -> None:
    line = escape_line(text)
    joiners = {"\u200c", "\u200d"}
    assert not [own for own in line if is_unsafe(own) and own not in joiners | VISIBLE_FORMATS]
    assert escape_line(line) == line
    line.encode()
    assert escape_controls(text).replace("\n", "\\n").replace("\t", "\\t") == line


@given(
    st.recursive(
        st.text() | st.none() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_means_what_it_meant(value: object) -> None:
    for indent in (None, 2):
        text = json.dumps(value, ensure_ascii=False, indent=indent)
        assert json.loads(escape_controls(text)) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\u001b[31mred"),
        ("\x1b]8;;http://evil\x07x", r"\u001b]8;;http://evil\u0007x"),
        ("\x9b31m", r"\u009b31m"),
        ("\x7f\x00", r"\u007f\u0000"),
        ("a\rb\bc", r"a\rb\bc"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("ad\u200bmin\ufeff", r"ad\u200bmin\ufeff"),
        ("ad\u200dmin", r"ad\u200dmin"),
        ("soft\u00adhyphen", r"soft\u00adhyphen"),
        ("two\u2028lines\x85", r"two\u2028lines\u0085"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\udb40\udc41"),
        ("Amélie, 中文, Ünï", "Amélie, 中文, Ünï"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("❤\ufe0f", "❤\ufe0f"),
    ],
)
def test_a_text_is_shown_as_json_escapes_it(text: str, shown: str) -> None:
    assert escape_line(text) == shown
