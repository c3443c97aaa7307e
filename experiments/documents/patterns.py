"""Patterns of names, and their descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_PATTERN: Final = r"^[a-z][a-z0-9-]{0,39}$"
"""What names of experiments and variants look like: they name directories and stacks."""

STRATUM_PATTERN: Final = r"^[a-z][a-z0-9_]{0,39}$"
"""What names of attributes look like."""

PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    NAME_PATTERN: ("a lower-case letter, then up to 39 lower-case letters, digits and -", "-"),
    STRATUM_PATTERN: (
        "a lower-case letter, then up to 39 lower-case letters, digits and _",
        "_",
    ),
}
"""The rule in words, and what joins the words of a name, by pattern."""
