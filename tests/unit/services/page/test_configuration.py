"""Configuration documents, and overlays over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.errors import InvalidConfiguration, UnsupportedSchema
from services.page.configuration import (
    SECTION_OWNERS,
    PageConfiguration,
    apply_overlay,
    overlay_owners,
    parse_configuration,
)
from services.page.model import RowType
from services.page.production import production_documents
from services.ranking.model import parse_model
from timetravel.facts.external_ids import hash_id
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue

PRODUCTION = production_documents()[0].body


def picked(videos: JsonValue) -> dict[str, JsonValue]:
    """Return a row of hand-picked videos, by its id."""
    return {"picked": {"type": "editorial", "title": "Picked by us", "videos": videos}}


def test_the_documents_of_production_are_valid() -> None:
    for document in production_documents():
        if document.collection == "configuration":
            parsed = parse_configuration(document.body, schema_version=document.schema_version)
            types = {row.type for row in parsed.rows.values()}
            assert types == set(RowType) - {RowType.EDITORIAL}
        else:
            parse_model(document.body, schema_version=document.schema_version)


def test_every_section_belongs_to_a_service() -> None:
    assert set(SECTION_OWNERS) == set(PageConfiguration.model_fields) - {"description"}


@pytest.mark.parametrize(
    ("overlay", "field", "part"),
    [
        ({"rows": {"new": {"type": "newest"}}}, "rows.new.type", "continue_watching"),
        ({"rows": {"new": {"colour": 3}}}, "rows.new.colour", "Extra inputs"),
        ({"rows": {"new": {"title": ""}}}, "rows.new.title", "at least 1"),
        ({"rows": {"new": {"title": "New in {genre}"}}}, "rows.new", "{genre} cannot"),
        ({"rows": {"new": {"title": "New in {"}}}, "rows.new", "Single '{'"),
        ({"rows": {"new": {"genres": ["A"]}}}, "rows.new", "genres is for genre rows"),
        ({"rows": {"new": {"seen": "never"}}}, "rows.new.seen", "exclude, demote, allow"),
        ({"rows": {"new": {"type": "editorial"}}}, "rows.new", "needs videos"),
        (
            {"rows": picked(["a", 603])},
            "rows.picked.videos",
            "603 is a whole number, 'a' a",
        ),
        ({"rows": picked(["a", ""])}, "rows.picked.videos.1", "An id is empty; give 1 to 512"),
        ({"rows": picked(["x" * 513])}, "rows.picked.videos.0", "has 513 bytes; give at most"),
        ({"rows": picked([1, -1])}, "rows.picked.videos.1", "-1 is no video; give 0 or more"),
        ({"rows": picked([2**63])}, "rows.picked.videos.0", "in 63 bits"),
        ({"rows": picked([True])}, "rows.picked.videos.0", "True is no video"),
        ({"rows": picked("alien")}, "rows.picked.videos", "array"),
        ({"rows": {"new": {"since": "soon"}}}, "rows.new.since", "'soon' is not a moment"),
        (
            {"rows": {"new": {"since": "2024-02-01", "until": "2024-02-01"}}},
            "rows.new",
            "not before until",
        ),
        ({"rows": {"because-you-watched": {"seeds": None}}}, "rows.because", "needs seeds"),
        ({"rows": {"a:b": {"type": "new", "title": "A"}}}, "configuration", "'a:b'"),
        ({"rows": {"my-list": None}}, "configuration", "'my-list'"),
        ({"geometry": {"default_device": "car"}}, "geometry", "'car'"),
        (
            {"geometry": {"devices": {"tv": {"viewport_rows": 99}}}},
            "geometry.devices.tv",
            "within",
        ),
        ({"row_selection": {"policy": "best"}}, "row_selection.policy", "'greedy'"),
        ({"row_selection": {"pins": {"new": 0}}}, "row_selection", "one place"),
        ({"row_selection": {"maximum_per_type": {"x": 1}}}, "row_selection", "no row type"),
        ({"filtering": {"seen": "demote"}}, "filtering.seen", "'exclude'"),
        ({"filtering": {"finished_share": 2}}, "filtering.finished_share", "less than"),
        ({"ranking": {"model": 3}}, "ranking.model", "string"),
        ({"dedup": {"minimum_row_size": 0}}, "dedup.minimum_row_size", "greater"),
        ({"dedup": {"exempt": ["nobody"]}}, "configuration", "'nobody'"),
        ({"dedup": None}, "dedup", "required"),
    ],
)
def test_a_contradiction_is_told_with_its_field(
    overlay: dict[str, JsonValue], field: str, part: str
) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        parse_configuration(apply_overlay(PRODUCTION, overlay))
    assert refused.value.field.startswith(field)
    assert part in str(refused.value)


def test_hand_picked_videos_are_given_by_whole_numbers_or_by_texts() -> None:
    def parsed(videos: list[JsonValue]) -> tuple[int, ...] | None:
        body = apply_overlay(PRODUCTION, {"rows": picked(videos)})
        return parse_configuration(body).rows["picked"].videos

    assert parsed([603, 0, 2**63 - 1]) == (603, 0, 2**63 - 1)
    texts = ["tt0133093", "603", " \u00e9"]
    numbers = tuple(hash_id(EntityKind.VIDEO, text) for text in texts)
    assert parsed([*texts]) == numbers
    assert parsed([]) == ()


def test_all_contradictions_are_told_at_once() -> None:
    overlay: dict[str, JsonValue] = {"dedup": {"policy": "x"}, "filtering": {"seen": "y"}}
    with pytest.raises(InvalidConfiguration, match=r"(?s)filtering\.seen.*dedup\.policy"):
        parse_configuration(apply_overlay(PRODUCTION, overlay))


def test_a_later_schema_version_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedSchema, match="version 2"):
        parse_configuration(PRODUCTION, schema_version=2)


@pytest.mark.parametrize(
    ("document", "overlay", "merged"),
    [  # the examples of RFC 7396, appendix A, whose two sides are objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_overlays_merge_as_the_standard_says(
    document: dict[str, JsonValue],
    overlay: dict[str, JsonValue],
    merged: dict[str, JsonValue],
) -> None:
    before = repr(document)
    assert apply_overlay(document, overlay) == merged
    assert repr(document) == before


def test_an_overlay_names_the_services_it_changes() -> None:
    owners = overlay_owners({"rows": {}, "geometry": {}, "dedup": {}})
    assert owners == {
        "pagesim.assembler.v1.PageAssemblerService",
        "pagesim.dedup.v1.DedupService",
    }
    with pytest.raises(InvalidConfiguration, match="'rankings' is not a section"):
        overlay_owners({"rankings": {}})
