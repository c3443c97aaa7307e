"""A small world lived into a store in this process."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from structlog.testing import capture_logs

from services.page.inputs import PROFILE_FEATURE_GROUPS, VIDEO_FEATURE_GROUPS
from tests.support.facts.past_features import (
    recompute_profile_features,
    recompute_video_features,
)
from timetravel.database.migrate import upgrade
from timetravel.facts.external_ids import IdForm, hash_id
from timetravel.facts.model import AttributeFact, EntityKind
from timetravel.store import Store
from worlds.directory import open_world
from worlds.errors import OtherWorldLived
from worlds.external_ids import text_of
from worlds.features.registry import FeatureSpaces
from worlds.features.schedule import JOB_MICROS, Grid
from worlds.live import live_forward, read_report
from worlds.synthetic import SyntheticPlan, generate_world
from worlds.visits import Visits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from worlds.directory import World


def make_store(path: Path) -> Store:
    url = f"sqlite:///{path}"
    upgrade(url)
    return Store.open(url)


def page_digests(store: Store) -> list[tuple[int, int, str]]:
    return [(one.shown_at, one.profile_id, one.page_digest) for one in store.logged_pages()]


@pytest.fixture(scope="module")
def world(tiny_world: Path) -> World:
    return open_world(tiny_world)


@pytest.fixture(scope="module")
def lived(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of a whole life; no test changes it."""
    with make_store(tmp_path_factory.mktemp("lived") / "store.db") as store:
        live_forward(world, store)
        yield store


@pytest.fixture(scope="module")
def world_of_texts(tiny_world_of_texts: Path) -> World:
    return open_world(tiny_world_of_texts)


@pytest.fixture(scope="module")
def lived_of_texts(
    world_of_texts: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """The store of the same life, in which entities have texts; no test changes it."""
    with make_store(tmp_path_factory.mktemp("texts") / "store.db") as store:
        live_forward(world_of_texts, store)
        yield store


def test_a_life_leaves_every_fact_of_the_world_and_a_page_for_every_visit(
    world: World, lived: Store
) -> None:
    counts = lived.count_facts()
    told = world.manifest.counts
    for kind in ("documents", "attributes", "availability", "events"):
        assert counts[kind] == told[kind]
    report = read_report(world, lived)
    assert report.is_complete
    assert report.pages + report.failures == told["visits"]
    assert counts["logged_pages"] == report.pages > 50


def test_what_only_the_maker_of_a_world_knows_never_enters_a_store(
    tiny_world: Path, lived: Store, tmp_path: Path
) -> None:
    copy = tmp_path / "world"
    shutil.copytree(tiny_world, copy)
    shutil.rmtree(copy / "truth")
    with make_store(tmp_path / "store.db") as store:
        live_forward(open_world(copy), store)
        assert store.digest() == lived.digest()


def test_a_life_in_stages_is_the_life_in_one(
    world: World, lived: Store, tmp_path: Path
) -> None:
    shown_at = world.visits().shown_at
    told: list[int] = []
    with make_store(tmp_path / "store.db") as store:
        for until in (int(shown_at[3]), int(shown_at[60]) + 1, world.manifest.until_micros):
            told.clear()
            report = live_forward(world, store, until=until, advance=told.append)
            assert report.lived_until == until
            assert sum(told) == world.visits().count_until(until)
        assert store.count_facts() == lived.count_facts()
        assert page_digests(store) == page_digests(lived)


def test_a_life_at_its_end_goes_no_further(world: World, lived: Store) -> None:
    before = lived.snapshot()
    told: list[int] = []
    assert live_forward(world, lived, advance=told.append) == read_report(world, lived)
    assert lived.snapshot() == before
    assert sum(told) == world.manifest.counts["visits"]


def test_features_of_videos_are_what_the_past_says_they_were(
    world: World, lived: Store
) -> None:
    spaces = FeatureSpaces.of(world.manifest)
    reader = lived.as_of()
    profiles = reader.entity_ids(EntityKind.PROFILE)
    grid = Grid(world.manifest.video_grid_micros)
    at, jobs = grid.at_or_after(world.manifest.since_micros), 0
    while at + JOB_MICROS <= world.manifest.until_micros:
        videos, expected = recompute_video_features(reader, spaces, profiles, at)
        titles = reader.attributes(EntityKind.VIDEO, videos, at, ("title",)).columns["title"]
        listed = np.array([title is not None for title in titles])
        for group in VIDEO_FEATURE_GROUPS:
            found = reader.features(group, videos, at + JOB_MICROS).values
            np.testing.assert_array_equal(found[listed], expected[group][listed])
            assert np.all(np.isnan(found[~listed]))
        at, jobs = grid.after(at), jobs + 1
    assert jobs == 14


def test_features_of_profiles_are_what_the_past_says_they_were(
    world: World, lived: Store
) -> None:
    spaces = FeatureSpaces.of(world.manifest)
    reader = lived.as_of()
    profiles = reader.entity_ids(EntityKind.PROFILE)
    checked = 0
    for group in PROFILE_FEATURE_GROUPS:
        for profile in profiles:
            found = reader.features(group, [profile], world.manifest.until_micros)
            at = int(found.valid_from[0])
            if at < world.manifest.since_micros:
                continue  # it never did anything
            expected = recompute_profile_features(reader, spaces, np.array([profile]), at)
            np.testing.assert_array_equal(found.values, expected[group])
            assert found.known_at[0] == at + JOB_MICROS
            checked += 1
    assert checked > len(profiles)


def test_a_life_of_texts_computes_the_features_of_numbers(
    lived: Store, lived_of_texts: Store, tiny_plan: SyntheticPlan, world: World
) -> None:
    counted = (EntityKind.PROFILE, tiny_plan.profiles), (EntityKind.VIDEO, tiny_plan.videos)
    assert lived_of_texts.id_forms() == dict.fromkeys(EntityKind, IdForm.TEXTS)
    for kind, count in counted:
        numbers = np.arange(1, count + 1)
        texts = [text_of(kind, number) for number in numbers.tolist()]
        hashed = np.array([hash_id(kind, text) for text in texts])
        assert list(lived_of_texts.external_ids(kind, hashed.tolist())) == texts
        groups = PROFILE_FEATURE_GROUPS if kind is EntityKind.PROFILE else VIDEO_FEATURE_GROUPS
        for group in groups:
            one, other = (
                store.as_of().features(group, ids, world.manifest.until_micros)
                for store, ids in ((lived, numbers), (lived_of_texts, hashed))
            )
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.known_at, other.known_at)
    # Pages may differ, as ties go to the lower number; that there is one does not.
    for counts in (lived.count_facts(), lived_of_texts.count_facts()):
        assert counts["logged_pages"] == lived.count_facts()["logged_pages"]


def test_a_life_of_texts_in_stages_is_the_life_in_one(
    world_of_texts: World, lived_of_texts: Store, tmp_path: Path
) -> None:
    shown_at = world_of_texts.visits().shown_at
    with make_store(tmp_path / "store.db") as store:
        for until in (int(shown_at[60]), world_of_texts.manifest.until_micros):
            live_forward(world_of_texts, store, until=until)
        assert store.count_facts() == lived_of_texts.count_facts()
        assert page_digests(store) == page_digests(lived_of_texts)
        for kind in EntityKind:
            ids = store.current().entity_ids(kind).tolist()
            assert store.external_ids(kind, ids) == lived_of_texts.external_ids(kind, ids)


def test_a_page_that_cannot_be_made_is_told_by_the_text_of_its_member(
    world_of_texts: World, tmp_path: Path
) -> None:
    early = tmp_path / "early"
    shutil.copytree(world_of_texts.path, early)
    # Before the world begins nothing is known that a page could be made of.
    visits, before = world_of_texts.visits(), world_of_texts.manifest.since_micros - 1
    first = Visits(np.array([before, *visits.shown_at[1:]]), visits.profile_ids, visits.devices)
    first.write(early / "visits.parquet")
    with make_store(tmp_path / "store.db") as store, capture_logs() as said:
        live_forward(open_world(early), store, until=before)
    (told,) = said
    assert told["event"] == "page_failed"
    texts = world_of_texts.external_ids().texts[EntityKind.PROFILE]
    assert told["profile_id"] == texts[int(visits.profile_ids[0])]


def test_a_store_that_holds_another_world_is_refused(lived: Store, tmp_path: Path) -> None:
    generate_world(SyntheticPlan(profiles=1, videos=50, days=2, seed=9), tmp_path / "other")
    other = open_world(tmp_path / "other")
    with pytest.raises(OtherWorldLived, match="holds another world"):
        live_forward(other, lived)


def test_a_store_that_holds_facts_of_no_world_is_refused(world: World, tmp_path: Path) -> None:
    with make_store(tmp_path / "store.db") as store:
        with store.begin(0) as writer:
            fact = AttributeFact(EntityKind.VIDEO, 1, "title", 0, 0, "Alien")
            writer.append([fact], source="test", synthetic=False)
        with pytest.raises(OtherWorldLived, match="no world was lived there"):
            live_forward(world, store)
