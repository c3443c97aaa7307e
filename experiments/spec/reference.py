"""Writes docs/experiment-file.md from the schema, so that it cannot drift.

`make docs` runs it.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from experiments.spec.overlays import default_configuration
from experiments.spec.schema import configuration_schema, experiment_schema
from services.page.configuration import SECTION_OWNERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HEADER: Final = """\
# The experiment file

Written from the schema by `make docs`. An experiment is one YAML file, and this is a whole one:

```yaml
experiment: rank-or-select
seed: 7
scope: {profiles: 500, strata: [country]}
variants:
  - name: control
  - name: popular-first
    configuration: {ranking: {model: popularity}}
```

`pagesim run FILE.yaml` runs it; longer ones are in [`examples/`](../examples). Every mistake in
a file is reported at once, before anything starts, with its line, the rule and a remedy.

Values are read as YAML 1.2 reads them: `2018-05-01` and `NO` are text and need no quotes, and
only `true` and `false` are truth values. Aliases, tags and repeated keys are refused, and so is
a file of more than 1 MiB.
"""

_CONFIGURATION: Final = """\
## What a variant may change

`configuration` of a variant is laid over production's configuration as a JSON merge patch
([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)): mappings are merged key by key, `null`
removes a key, and anything else, lists too, replaces what was there. What a variant leaves out
stays as production had it at the moment of each page.

Each section belongs to one service, and a variant runs its own process of just those services
whose sections it changes. The tables describe a whole configuration; a variant writes only what
it changes. The configuration that worlds start with is at the end.
"""

_ENTRIES: Final[Mapping[str, str]] = {
    "ScopeEntry": "scope",
    "WindowEntry": "scope.window",
    "VariantEntry": "each of variants",
    "LimitsEntry": "limits",
    "OwnerEntry": "each of owners",
    "NotificationsEntry": "notifications",
    "TemplatesEntry": "notifications.templates",
    "TemplateEntry": "each of notifications.templates",
}
_PARTS: Final = {
    "RowTemplate": "each of rows",
    "DeviceGeometry": "each of geometry.devices",
    "Diversity": "row_selection.diversity",
}
_TYPES: Final[Mapping[str, str]] = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "object": "mapping",
    "null": "null",
}
_NOUNS: Final = {
    "integer": "whole numbers",
    "number": "numbers",
    "string": "text",
    "object": "mappings",
}


def describe_file() -> str:
    """Return the reference of the experiment file, as Markdown."""
    schema = experiment_schema()
    parts = [_HEADER, "## Keys\n", _table(schema, schema)]
    for name, title in _ENTRIES.items():
        parts += _describe(title, schema["$defs"][name], schema)
    return "\n".join([*parts, _CONFIGURATION, *_describe_configuration()])


def _describe_configuration() -> Iterator[str]:
    schema = configuration_schema()
    definitions = schema["$defs"]
    for section, service in SECTION_OWNERS.items():
        entry = schema["properties"][section]
        if "$ref" in entry:
            yield from _describe(f"{section}", _resolve(entry, schema), schema)
        else:
            yield f"### {section}\n"
            yield "Rows, or families of rows, by id.\n"
        yield f"Read by `{service}`.\n"
    for name, title in _PARTS.items():
        yield from _describe(title, definitions[name], schema)
    yield "### The configuration that worlds start with\n"
    text = json.dumps(default_configuration(), indent=2, ensure_ascii=False)
    yield f"```json\n{text}\n```\n"


def _describe(
    title: str, definition: Mapping[str, Any], schema: Mapping[str, Any]
) -> Sequence[str]:
    return f"### {title}\n", f"{definition['description']}\n", _table(definition, schema)


def _table(definition: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    entries: Mapping[str, Mapping[str, Any]] = definition["properties"]
    explained = any("description" in entry for entry in entries.values())
    rows = [["key", "value", "default", *(["meaning"] if explained else [])]]
    rows.append(["---"] * len(rows[0]))
    for key, entry in entries.items():
        required = key in definition.get("required", ())
        usual = "required" if required else _spell_default(entry)
        # pydantic leaves out a description that repeats the one referred to
        told = entry.get("description") or _resolve(entry, schema).get("description", "")
        meaning = [told] if explained else []
        rows.append([f"`{key}`", _spell(entry, schema), usual, *meaning])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _spell(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return in words what values an entry takes."""
    entry = _resolve(entry, schema)
    if "anyOf" in entry:
        return " or ".join(_spell(choice, schema) for choice in entry["anyOf"])
    if "const" in entry or "enum" in entry:
        choices = entry.get("enum") or [entry["const"]]
        return ", ".join(f"`{choice}`" for choice in choices)
    if entry["type"] == "array":
        return f"list of {_spell_many(entry['items'], schema)}" + _spell_bounds(
            entry.get("minItems"), entry.get("maxItems")
        )
    inner = entry.get("additionalProperties")
    if isinstance(inner, dict):
        return f"by name: {_spell_many(inner, schema)}"
    return _spell_number(entry)


def _spell_number(entry: Mapping[str, Any]) -> str:
    """Return in words what numbers, or what text, an entry takes."""
    least, most = entry.get("minimum"), entry.get("maximum")
    above = f", more than {entry['exclusiveMinimum']}" if "exclusiveMinimum" in entry else ""
    return _TYPES[entry["type"]] + above + _spell_bounds(least, most)


def _spell_many(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    entry = _resolve(entry, schema)
    if entry["type"] == "array":
        return f"lists of {_spell_many(entry['items'], schema)}"
    return _NOUNS[entry["type"]] + _spell_bounds(entry.get("minimum"), entry.get("maximum"))


def _spell_bounds(least: float | None, most: float | None) -> str:
    if least is None:
        return f", at most {most}" if most is not None else ""
    return f", {least} or more" if most is None else f", {least} to {most}"


def _spell_default(entry: Mapping[str, Any]) -> str:
    if entry.get("$ref", "").rpartition("/")[2] in {*_ENTRIES, *_PARTS}:
        return "as below"
    value = entry.get("default")
    if value is None or value in ("", [], {}):
        return "none"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _resolve(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in entry:
        return entry
    found: Mapping[str, Any] = schema["$defs"][entry["$ref"].rpartition("/")[2]]
    return found


if __name__ == "__main__":
    sys.stdout.write(describe_file())
