"""Laws that hold for every page, whatever the world and the configuration."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.in_process import InProcessAssembler
from services.page.canonical import canonical_bytes, page_digest, parse_page
from services.page.configuration import (
    DedupPolicy,
    PageConfiguration,
    SeenTitles,
    apply_overlay,
    family_of,
    parse_configuration,
)
from services.page.model import RowType
from services.page.production import production_documents
from tests.support.effort import effort
from tests.support.pages.page_worlds import END, PromisingNothing
from tests.support.strategies import page_overlays, page_requests, page_worlds
from timetravel.facts.model import AttributeFact, EntityKind, EventKind

if TYPE_CHECKING:
    from services.page.model import Page
    from tests.oracle.in_memory_reader import InMemoryReader
    from tests.support.pages.page_worlds import PageWorld
    from timetravel.facts.model import JsonValue

FEW = settings(max_examples=effort(10, 50), deadline=None)


def configuration_of(overlay: dict[str, JsonValue]) -> PageConfiguration:
    body = production_documents()[0].body
    return parse_configuration(apply_overlay(body, overlay))


def visible_value(
    reader: InMemoryReader, kind: EntityKind, entity_id: int, name: str, at: int
) -> JsonValue:
    return reader.attributes(kind, [entity_id], at, [name]).columns[name][0]


def licensed_videos(world: PageWorld, country: str, at: int) -> set[int]:
    return {
        fact.video_id
        for fact in world.licences
        if fact.country == country
        and fact.known_at <= at
        and fact.valid_from <= at < fact.valid_to
    }


def seen_videos(world: PageWorld, profile_id: int, at: int) -> set[int]:
    return {
        fact.video_id
        for fact in world.events
        if fact.profile_id == profile_id
        and fact.event_at <= at
        and fact.known_at <= at
        and (
            fact.kind is EventKind.RATING
            or (fact.kind is EventKind.PLAY and (fact.value or 0) >= 0.9)
        )
    }


@FEW
@given(st.data())
def test_no_page_shows_an_ineligible_video(data: st.DataObject) -> None:
    world, overlay = data.draw(page_worlds()), data.draw(page_overlays())
    requests = data.draw(page_requests(world))
    rules = configuration_of(overlay).filtering
    reader = world.reader()
    for page in (
        InProcessAssembler(reader, configuration_overlay=overlay).assemble(requests).pages()
    ):
        at = page.as_of_micros
        profile = (EntityKind.PROFILE, page.profile_id)
        country = visible_value(reader, *profile, "country", at)
        limit = visible_value(reader, *profile, "maturity_limit", at)
        assert isinstance(country, str)
        assert isinstance(limit, int)
        licensed = licensed_videos(world, country, at)
        seen = seen_videos(world, page.profile_id, at)
        for row in page.rows:
            for video in row.videos:
                maturity = visible_value(
                    reader, EntityKind.VIDEO, video.video_id, "maturity", at
                )
                assert isinstance(maturity, int)
                assert video.video_id in licensed
                assert maturity <= limit
                if rules.seen is SeenTitles.EXCLUDE:
                    exempt = row.type is RowType.CONTINUE_WATCHING
                    assert exempt or video.video_id not in seen


@FEW
@given(st.data())
def test_videos_repeat_only_where_the_policy_allows(data: st.DataObject) -> None:
    world, overlay = data.draw(page_worlds()), data.draw(page_overlays())
    requests = data.draw(page_requests(world))
    rules = configuration_of(overlay).dedup
    for page in (
        InProcessAssembler(world.reader(), configuration_overlay=overlay)
        .assemble(requests)
        .pages()
    ):
        shape = page.geometry
        rows = [
            [video.video_id for video in row.videos]
            for row in page.rows
            if not {row.row_id, family_of(row.row_id)} & set(rules.exempt)
        ]
        viewport = [
            video.video_id
            for row in page.rows[: shape.viewport_rows]
            if not {row.row_id, family_of(row.row_id)} & set(rules.exempt)
            for video in row.videos[: shape.viewport_columns]
        ]
        everything = [video for row in rows for video in row]
        if rules.policy is not DedupPolicy.NONE:
            assert all(len(row) == len(set(row)) for row in rows)
        if rules.policy in (DedupPolicy.VIEWPORT, DedupPolicy.PAGE):
            assert max(Counter(viewport).values(), default=1) == 1
        if rules.policy is DedupPolicy.PAGE:
            assert max(Counter(everything).values(), default=1) == 1


@FEW
@given(st.data())
def test_geometry_minimum_sizes_and_maxima_are_respected(data: st.DataObject) -> None:
    world, overlay = data.draw(page_worlds()), data.draw(page_overlays())
    requests = data.draw(page_requests(world))
    rules = configuration_of(overlay)
    for page in (
        InProcessAssembler(world.reader(), configuration_overlay=overlay)
        .assemble(requests)
        .pages()
    ):
        assert page.geometry == rules.geometry.devices[page.device].geometry
        assert 1 <= len(page.rows) <= page.geometry.rows
        assert len({row.row_id for row in page.rows}) == len(page.rows)
        for row in page.rows:
            minimum = rules.dedup.minimum_of(row.row_id)
            assert minimum <= len(row.videos) <= page.geometry.columns
        for row_type, count in Counter(row.type for row in page.rows).items():
            maximum = rules.row_selection.maximum_of(row_type)
            assert maximum is None or count <= maximum


@FEW
@given(st.data())
def test_pinned_rows_stand_at_their_places(data: st.DataObject) -> None:
    world, overlay = data.draw(page_worlds()), data.draw(page_overlays())
    requests = data.draw(page_requests(world))
    pins = configuration_of(overlay).row_selection.pins
    for page in (
        InProcessAssembler(world.reader(), configuration_overlay=overlay)
        .assemble(requests)
        .pages()
    ):
        families = [family_of(row.row_id) for row in page.rows]
        last_unpinned = max(
            (place for place, family in enumerate(families) if family not in pins), default=-1
        )
        for family, pin in pins.items():
            if family not in families:
                continue
            place = families.index(family)
            # Where the page is too short for its place, a pinned row follows the others.
            assert place == pin or (place < pin and place > last_unpinned)


@FEW
@given(st.data())
def test_a_page_has_the_same_bytes_in_any_batch(data: st.DataObject) -> None:
    world, overlay = data.draw(page_worlds()), data.draw(page_overlays())
    requests = data.draw(page_requests(world, min_size=2))
    assembler = InProcessAssembler(world.reader(), configuration_overlay=overlay)
    together = assembler.assemble(requests)
    order = data.draw(st.permutations(range(len(requests))))
    shuffled = assembler.assemble(requests.take(np.array(order)))
    assert [shuffled.digests[order.index(index)] for index in range(len(requests))] == list(
        together.digests
    )
    for index in range(len(requests)):
        alone = InProcessAssembler(world.reader(), configuration_overlay=overlay).assemble(
            requests.take(np.array([index]))
        )
        assert alone.digests[0] == together.digests[index]
        assert alone.newest_known_at[0] == together.newest_known_at[index]


@FEW
@given(st.data())
def test_a_longer_listing_changes_no_page(data: st.DataObject) -> None:
    world, overlay = data.draw(page_worlds()), data.draw(page_overlays())
    requests = data.draw(page_requests(world))
    later = [
        AttributeFact(EntityKind.VIDEO, video_id, name, END + 1, END + 1, value)
        for video_id in data.draw(st.lists(st.integers(0, 400), max_size=9, unique=True))
        for name, value in (("title", "Later"), ("genres", ["Western"]), ("maturity", 0))
        if video_id % 7 != 1
    ]
    before = InProcessAssembler(world.reader(), configuration_overlay=overlay).assemble(
        requests
    )
    after = InProcessAssembler(
        world.extended(later).reader(), configuration_overlay=overlay
    ).assemble(requests)
    assert after.digests == before.digests


@FEW
@given(st.data())
def test_a_reader_that_promises_nothing_gives_the_same_pages(data: st.DataObject) -> None:
    world, overlay = data.draw(page_worlds()), data.draw(page_overlays())
    requests = data.draw(page_requests(world))
    pinned = InProcessAssembler(world.reader(), configuration_overlay=overlay)
    live = InProcessAssembler(PromisingNothing(world.reader()), configuration_overlay=overlay)
    for index in range(len(requests)):
        one = requests.take(np.array([index]))
        assert live.assemble(one).digests == pinned.assemble(one).digests


@FEW
@given(st.data())
def test_no_page_uses_the_future(data: st.DataObject) -> None:
    world = data.draw(page_worlds())
    requests = data.draw(page_requests(world))
    pages = InProcessAssembler(world.reader()).assemble(requests)
    assert (pages.newest_known_at <= requests.as_of_micros).all()


@FEW
@given(st.data())
def test_digests_are_those_of_the_canonical_bytes(data: st.DataObject) -> None:
    world = data.draw(page_worlds())
    pages = InProcessAssembler(world.reader()).assemble(data.draw(page_requests(world)))
    for index, geometry in enumerate(pages.geometries):
        if geometry is not None:
            page: Page = pages.page(index)
            assert pages.digests[index] == page_digest(page)
            assert parse_page(canonical_bytes(page)) == page
