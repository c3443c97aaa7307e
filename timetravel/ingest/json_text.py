"""Parses JSON from outside strictly: bounded, finite, without duplicate keys."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final, NoReturn

from timetravel.errors import InvalidFact
from timetravel.ingest.mistakes import show

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue
    from timetravel.ingest.limits import Limits

_LONGEST_INTEGER: Final = 400
"""Digits; Python reads no more than 4,300, other readers far fewer."""


def parse_json_text(text: str, limits: Limits) -> JsonValue:
    """Return the value of JSON text.

    Raises:
        InvalidFact: It is not JSON, or more than the limits allow; names a key twice, or a
            number that is not finite.
    """
    if len(text.encode("utf-8", "surrogatepass")) > limits.json_bytes:
        _refuse(f"The JSON is longer than {limits.json_bytes} bytes.", "Split it.")
    try:
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=_to_object,
            parse_int=_to_integer,
            parse_float=_to_float,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        _refuse(
            f"{show(text)} is not JSON: {error.msg}, at character {error.pos}.",
            'Give null, true, a number, "text", a list or an object.',
        )
    except RecursionError:
        _refuse_depth(limits)
    check_depth(value, limits)
    return value


def check_depth(value: JsonValue, limits: Limits) -> None:
    """Refuse a value whose lists and objects stand too deep inside each other.

    Raises:
        InvalidFact: They do.
    """
    level = [value]
    for _ in range(limits.json_depth + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    _refuse_depth(limits)


def _to_object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        _refuse(f"The JSON has the key {show(twice)} twice.", "Keep one of them.")
    return found


def _to_integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        _refuse(f"The JSON holds a number of {len(digits)} digits.", "Give it as text.")
    return int(digits)


def _to_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _refuse(f"The JSON holds the number {show(digits)}.", "Give a smaller one, or text.")
    return number


def _refuse_constant(word: str) -> NoReturn:
    _refuse(f"{word} is not JSON.", "Give null where a number is missing.")


def _refuse_depth(limits: Limits) -> NoReturn:
    _refuse(
        f"The JSON is nested more than {limits.json_depth} deep.", "Give it a flatter shape."
    )


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise InvalidFact(problem, remedy=remedy, field="value")
