"""Worlds whose members and videos are named by texts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from timetravel.facts.external_ids import IdForm, hash_id
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
)
from worlds.directory import open_world
from worlds.errors import MalformedWorld
from worlds.external_ids import choose_texts, text_of
from worlds.synthetic import SyntheticPlan, generate_world

if TYPE_CHECKING:
    from pathlib import Path

    from core.arrays import Int64Array
    from timetravel.facts.model import Fact


def hashed(kind: EntityKind, number: int) -> int:
    return hash_id(kind, text_of(kind, number))


def renamed(fact: Fact) -> Fact:
    """The fact of a world of numbers as a world of texts has it."""
    if isinstance(fact, AttributeFact):
        return replace(fact, entity_id=hashed(fact.kind, fact.entity_id))
    if isinstance(fact, AvailabilityFact):
        return replace(fact, video_id=hashed(EntityKind.VIDEO, fact.video_id))
    if isinstance(fact, EventFact):
        return replace(
            fact,
            profile_id=hashed(EntityKind.PROFILE, fact.profile_id),
            video_id=hashed(EntityKind.VIDEO, fact.video_id),
        )
    return fact


def test_a_text_follows_from_kind_and_number_alone() -> None:
    assert text_of(EntityKind.PROFILE, 1) == "3d69b90a-7036-575c-b867-b6f65cd99225"
    assert text_of(EntityKind.VIDEO, 1) == "721c74c8-075e-576b-83df-39d54232d14d"


def test_a_world_of_texts_is_the_world_of_numbers_by_other_names(
    tiny_world: Path, tiny_world_of_texts: Path
) -> None:
    numbers, texts = open_world(tiny_world), open_world(tiny_world_of_texts)
    assert [one._replace(fact=renamed(one.fact)) for one in numbers.timeline.facts()] == list(
        texts.timeline.facts()
    )
    one, other = numbers.visits(), texts.visits()
    profiles = [hashed(EntityKind.PROFILE, number) for number in one.profile_ids.tolist()]
    assert sorted(zip(one.shown_at.tolist(), profiles, one.devices, strict=True)) == sorted(
        zip(other.shown_at.tolist(), other.profile_ids.tolist(), other.devices, strict=True)
    )
    assert replace(texts.manifest, ids=IdForm.NUMBERS, counts={}, digests={}) == replace(
        numbers.manifest, counts={}, digests={}
    )


def test_the_truth_of_a_world_of_texts_is_told_of_its_own_entities(
    tiny_world: Path, tiny_world_of_texts: Path
) -> None:
    kinds = {"profile_id": EntityKind.PROFILE, "video_id": EntityKind.VIDEO}

    def rename(kind: EntityKind, ids: Int64Array) -> Int64Array:
        return np.array([hashed(kind, number) for number in ids.tolist()])

    for name in ("tastes", "videos", "trends", "events"):
        one, other = (
            pq.read_table(world / "truth" / f"{name}.parquet")
            for world in (tiny_world, tiny_world_of_texts)
        )
        assert one.schema == other.schema
        for column in one.column_names:
            expected = one[column].to_numpy()
            if column in kinds:
                expected = rename(kinds[column], expected)
            np.testing.assert_array_equal(other[column].to_numpy(), expected)


def test_a_world_of_texts_knows_the_text_of_each_member_and_video(
    tiny_plan: SyntheticPlan, tiny_world_of_texts: Path
) -> None:
    world = open_world(tiny_world_of_texts)
    assert world.manifest.ids is IdForm.TEXTS
    assert world.manifest.counts["ids"] == tiny_plan.profiles + tiny_plan.videos
    for kind, count in (
        (EntityKind.PROFILE, tiny_plan.profiles),
        (EntityKind.VIDEO, tiny_plan.videos),
    ):
        texts = {text_of(kind, number) for number in range(1, count + 1)}
        assert set(world.external_ids().texts[kind].values()) == texts


def test_a_world_of_numbers_names_nothing(tiny_world: Path) -> None:
    assert not any(open_world(tiny_world).external_ids().texts.values())
    assert not (tiny_world / "ids.parquet").exists()


def test_a_world_of_texts_is_made_twice_alike(
    tiny_plan: SyntheticPlan, tiny_world_of_texts: Path, tmp_path: Path
) -> None:
    again = generate_world(tiny_plan, tmp_path / "again", ids=IdForm.TEXTS)
    assert again == open_world(tiny_world_of_texts).manifest
    assert "ids.parquet" in again.digests


def test_keys_of_facts_hold_no_inner_number(tiny_world_of_texts: Path) -> None:
    world = open_world(tiny_world_of_texts)
    inner = {str(number) for texts in world.external_ids().texts.values() for number in texts}
    for fact, *_ in world.timeline.facts():
        if isinstance(fact, EventFact):
            assert inner.isdisjoint(fact.event_id.split(":"))
        elif isinstance(fact, AvailabilityFact):
            assert inner.isdisjoint(fact.window_id.split(":"))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("external_id", "someone else", "has the number"),
        ("external_id", "", "An id is empty"),
        ("kind", 9, "9 is not a valid"),
    ],
)
def test_a_world_whose_texts_were_changed_is_refused(
    tiny_world_of_texts: Path, tmp_path: Path, column: str, value: object, message: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_world_of_texts, copy)
    table = pq.read_table(copy / "ids.parquet")
    records = table.to_pylist()
    records[3][column] = value
    pq.write_table(pa.Table.from_pylist(records, table.schema), copy / "ids.parquet")
    with pytest.raises(MalformedWorld, match=message):
        open_world(copy)


@pytest.mark.parametrize("kept", [None, 30])
def test_a_world_that_lost_texts_is_refused(
    tiny_world_of_texts: Path, tmp_path: Path, kept: int | None
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_world_of_texts, copy)
    path = copy / "ids.parquet"
    if kept is None:
        path.unlink()
    else:
        pq.write_table(pq.read_table(path).slice(0, kept), path)
    with pytest.raises(MalformedWorld):
        open_world(copy)


def test_a_fact_about_an_entity_without_a_text_is_refused(tiny_world_of_texts: Path) -> None:
    external_ids = open_world(tiny_world_of_texts).external_ids()
    fact = AttributeFact(EntityKind.VIDEO, 17, "title", 0, 0, "Alien")
    with pytest.raises(MalformedWorld, match="which has no text"):
        choose_texts(external_ids, [fact])
