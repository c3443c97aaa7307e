"""The JSON Schema of experiment files (draft 2020-12), for editors and for the docs.

What it cannot say, such as names being unique, `load_spec` still checks.
"""

from __future__ import annotations

from typing import Any, Final

from experiments.documents.yaml_source import read_source
from experiments.spec.entries import ExperimentEntry
from services.page.configuration import SECTION_OWNERS, PageConfiguration
from services.page.model import RowOrdering, RowType, SeenPolicy

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_OVERLAY: Final = "ConfigurationOverlay"

# Documents name the members of these by label, not by number.
_LABELLED: Final[tuple[type[RowType | RowOrdering | SeenPolicy], ...]] = (
    RowType,
    RowOrdering,
    SeenPolicy,
)


def experiment_schema() -> dict[str, Any]:
    """Return the JSON Schema of an experiment file."""
    schema = ExperimentEntry.model_json_schema()
    definitions = schema["$defs"]
    for part in (schema, *definitions.values()):
        _read_examples(part)
    sections = configuration_schema()
    overlay = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: sections["properties"][name] for name in SECTION_OWNERS},
    }
    definitions |= {
        name: _make_partial(one)
        for name, one in (*sections["$defs"].items(), (_OVERLAY, overlay))
    }
    configuration = definitions["VariantEntry"]["properties"]["configuration"]
    for name in ("type", "additionalProperties"):
        configuration.pop(name)
    configuration["$ref"] = f"#/$defs/{_OVERLAY}"
    return {"$schema": _DIALECT, **schema}


def configuration_schema() -> dict[str, Any]:
    """Return the JSON Schema of a whole configuration."""
    schema = PageConfiguration.model_json_schema()
    for members in _LABELLED:
        labels = {member.value: member.label for member in members}
        schema["$defs"][members.__name__] = {"type": "string", "enum": [*labels.values()]}
        for entry in schema["$defs"]["RowTemplate"]["properties"].values():
            if entry.get("$ref") == f"#/$defs/{members.__name__}" and "default" in entry:
                entry["default"] = labels[entry["default"]]
    return schema


def _read_examples(schema: dict[str, Any]) -> None:
    for entry in schema["properties"].values():
        if "examples" in entry:
            texts = [str(example) for example in entry["examples"]]
            entry["examples"] = [read_source(text.encode()).value for text in texts]


def _make_partial(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what may be laid over a value: any part of it, null to remove."""
    if schema.get("type") != "object":
        return schema
    partial = {name: value for name, value in schema.items() if name != "required"}
    if "properties" in schema:
        partial["properties"] = {
            name: _or_null(entry) for name, entry in schema["properties"].items()
        }
    return partial


def _or_null(entry: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in entry.items() if name != "default"}
    if kept.get("type") == "object":
        kept.pop("minProperties", None)
        kept["additionalProperties"] = _or_null(kept["additionalProperties"])
    return {"anyOf": [kept, {"type": "null"}]}
