"""docs/experiment-file.md names values that the loader accepts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from experiments.errors import InvalidSpec
from experiments.spec import load_spec
from experiments.spec.overlays import default_configuration, find_overlay_mistakes
from experiments.spec.schema import configuration_schema, experiment_schema
from services.page.configuration import SECTION_OWNERS
from services.page.model import RowType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REFERENCE = (Path(__file__).parents[2] / "docs" / "experiment-file.md").read_text()
SECTION = re.compile(r"^### (.+?)\n(.*?)(?=^##|\Z)", re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \|", re.MULTILINE)
VALUES = re.compile(r"`([^`]+)`")

FILE = "experiment: own\nseed: 7\nscope: {profiles: 5}\nvariants: [{name: a}, {name: b}]\n"
NEEDED: Mapping[str, Mapping[str, object]] = {
    "because_you_watched": {"seeds": 1, "candidates": 1},
    "editorial": {"videos": [1]},
}


def rows(section: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each key of a section with the values that the reference gives for it."""
    (text,) = (text for title, text in SECTION.findall(REFERENCE) if title == section)
    for key, value, default in ROW.findall(text):
        values = VALUES.findall(value)
        yield key, list(dict.fromkeys([*values, *VALUES.findall(default)]))


def parsed(text: str) -> Any:  # noqa: ANN401 - as JSON has it
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def overlays() -> Iterator[Any]:
    """Yield one overlay for each value, keyed as a variant would have it."""
    for section in SECTION_OWNERS:
        if section != "rows":
            for key, values in rows(section):
                for value in values:
                    yield pytest.param(
                        {section: {key: parsed(value)}}, id=f"{section}.{key}: {value}"
                    )
    for key, values in rows("each of rows"):
        for value in values:
            row = {"type": "top_picks", "title": "Own", key: parsed(value)}
            row |= NEEDED.get(value, {})
            yield pytest.param({"rows": {"own": row}}, id=f"rows.{key}: {value}")
    for key, values in rows("row_selection.diversity"):
        for value in values:
            overlay = {"row_selection": {"diversity": {key: parsed(value)}}}
            yield pytest.param(overlay, id=f"diversity.{key}: {value}")


@pytest.mark.parametrize("overlay", [*overlays()])
def test_every_value_in_the_tables_of_a_configuration_is_accepted(
    overlay: dict[str, Any], tmp_path: Path
) -> None:
    assert not [*find_overlay_mistakes(overlay, default_configuration())]
    document = yaml.safe_load(FILE)
    document["variants"][1]["configuration"] = overlay
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(document))
    load_spec(path)


@pytest.mark.parametrize(
    "name", ["WindowEntry", "ScopeEntry", "VariantEntry", "LimitsEntry", ""]
)
def test_every_default_and_example_of_the_file_is_accepted(name: str, tmp_path: Path) -> None:
    schema = experiment_schema()
    entries = (schema["$defs"][name] if name else schema)["properties"]
    for key, entry in entries.items():
        values = [*entry.get("examples", []), *entry.get("enum", [])]
        values += [entry["default"]] if entry.get("default") not in (None, "", {}) else []
        for value in values:
            document = yaml.safe_load(FILE)
            window = {"since": "2018-01-01", "until": "2018-07-01"}
            document["scope"] |= {"window": window}
            target = {
                "WindowEntry": document["scope"]["window"],
                "ScopeEntry": document["scope"],
                "VariantEntry": document["variants"][1],
                "LimitsEntry": document.setdefault("limits", {}),
                "": document,
            }[name]
            target[key] = value
            path = tmp_path / "own.yaml"
            path.write_text(json.dumps(document))
            load_spec(path)


def test_a_number_is_refused_where_the_tables_give_names(tmp_path: Path) -> None:
    document = yaml.safe_load(FILE)
    for key in ("type", "ordering", "seen"):
        row = {"type": "top_picks", "title": "Own", key: 1}
        document["variants"][1]["configuration"] = {"rows": {"own": row}}
        path = tmp_path / "own.yaml"
        path.write_text(json.dumps(document))
        with pytest.raises(InvalidSpec, match="1 is no "):
            load_spec(path)


def test_names_in_the_schema_are_those_of_documents() -> None:
    definitions = configuration_schema()["$defs"]
    assert definitions["RowType"]["enum"] == [member.label for member in RowType]
    assert definitions["SeenPolicy"]["enum"] == ["exclude", "demote", "allow"]
    row = definitions["RowTemplate"]["properties"]
    assert (row["seen"]["default"], row["ordering"]["default"]) == ("exclude", "model")


def test_a_value_that_the_tables_do_not_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(FILE.replace("scope: {", "scope: {source: elsewhere, "))
    with pytest.raises(InvalidSpec):
        load_spec(path)
