"""Messages for pydantic's errors, in terms of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from experiments.documents.entry import OWN_RULE
from experiments.documents.mistakes import Mistake, Path, advise, show
from experiments.documents.model_paths import example_at, keys_at
from experiments.documents.patterns import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

_MAPPING: Final = "a mapping of keys"
_KINDS: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
}


def describe_error(error: ErrorDetails, root: type[BaseModel]) -> Mistake:
    """Return a fault as a mistake of the document.

    Args:
        error: What pydantic found.
        root: The model that the document was held against.
    """
    path: Path = error["loc"]
    kind = error["type"]
    if kind == "extra_forbidden":
        return describe_unknown_key(path, keys_at(root, path[:-1]))
    value = error["input"]
    example = example_at(root, path)
    if kind == "missing":
        remedy = f"Add it, e.g. {path[-1]}: {example}." if example else "Add it."
        return Mistake(path, "This key is missing.", remedy)
    if kind in _KINDS:
        return Mistake(path, *_describe_type(value, _KINDS[kind], example))
    context: Mapping[str, Any] = error.get("ctx", {})
    if kind in _RULES:
        return Mistake(path, *_RULES[kind](value, context))
    return Mistake(path, *_describe_by_message(error["msg"]))


def describe_unknown_key(path: Path, keys: tuple[str, ...]) -> Mistake:
    """Return the mistake of a key that is none of the keys."""
    return Mistake(path, f"{show(path[-1])} is no key here.", advise(str(path[-1]), keys))


def _describe_type(value: object, kind: str, example: str) -> tuple[str, str]:
    plain = "Write its keys below it." if kind == _MAPPING else f"Write {kind}."
    remedy = f"Write e.g. {example}." if example else plain
    if value is None:
        return f"Nothing stands here, where {kind} must stand.", remedy
    if kind == "a list" and isinstance(value, str) and re.fullmatch(r"[\w-]{1,40}", value):
        remedy = f"Write [{value}]."
    if kind == "text" and isinstance(value, int | float) and not example:
        remedy = "Put it in quotes."
    return f"{show(value)} is not {kind}.", remedy


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _describe_pattern(value: object, context: Mapping[str, Any]) -> tuple[str, str]:
    pattern = context["pattern"]
    rule, joint = PATTERNS[pattern]
    slug = re.sub(r"[^a-z0-9]+", joint, str(value).casefold()).strip("-_")
    fits = re.fullmatch(pattern, slug) is not None
    return f"{show(value)} is not {rule}.", f"Write e.g. {slug if fits else 'popular'}."


def _describe_choice(value: object, context: Mapping[str, Any]) -> tuple[str, str]:
    choices = re.findall(r"'([^']*)'", context["expected"])
    return f"{show(value)} is none of {', '.join(choices)}.", advise(str(value), choices)


def _describe_least(value: object, context: Mapping[str, Any]) -> tuple[str, str]:
    bound = _spell_bound(context["ge"])
    return f"{show(value)} is less than {bound}.", f"Write {bound} or more."


def _describe_most(value: object, context: Mapping[str, Any]) -> tuple[str, str]:
    bound = _spell_bound(context["le"])
    return f"{show(value)} is more than {bound}.", f"Write {bound} or less."


def _describe_above(value: object, context: Mapping[str, Any]) -> tuple[str, str]:
    return f"{show(value)} is not more than {_spell_bound(context['gt'])}.", "Write more."


def _spell_bound(bound: float) -> str:
    return str(int(bound) if bound == int(bound) else bound)


def _describe_long_text(value: object, context: Mapping[str, Any]) -> tuple[str, str]:
    most = context["max_length"]
    return f"{show(value)} is longer than {most} characters.", "Shorten it."


def _describe_empty_text(value: object, _: Mapping[str, Any]) -> tuple[str, str]:
    return f"{show(value)} is empty.", "Write something, or leave the key out."


def _describe_many(_: object, context: Mapping[str, Any]) -> tuple[str, str]:
    count, most = context["actual_length"], context["max_length"]
    return f"{count} entries are more than {most}.", "Remove some."


def _describe_few(_: object, context: Mapping[str, Any]) -> tuple[str, str]:
    count, least = context["actual_length"], context["min_length"]
    return f"{count} entries are fewer than {least}.", "Add some, or leave the key out."


def _describe_itself(_: object, context: Mapping[str, Any]) -> tuple[str, str]:
    return context["problem"], context["remedy"]


def _describe_by_message(message: str) -> tuple[str, str]:
    """Return what a rule of the services says; some say what to do after a semicolon."""
    problem, _, remedy = message.removeprefix("Value error, ").partition("; ")
    return f"{problem}.", _sentence(remedy) or "Change one of the two."


_RULES: Final[Mapping[str, Callable[[object, Mapping[str, Any]], tuple[str, str]]]] = {
    OWN_RULE: _describe_itself,
    "string_pattern_mismatch": _describe_pattern,
    "literal_error": _describe_choice,
    "enum": _describe_choice,
    "greater_than_equal": _describe_least,
    "less_than_equal": _describe_most,
    "greater_than": _describe_above,
    "string_too_long": _describe_long_text,
    "string_too_short": _describe_empty_text,
    "too_long": _describe_many,
    "too_short": _describe_few,
}
