"""A MovieLens release as a world, and as facts in a store."""

from __future__ import annotations

import itertools
import sqlite3
from functools import partial
from typing import TYPE_CHECKING

import pytest

from core.moments import parse_moment
from timetravel.database.migrate import upgrade
from timetravel.facts.external_ids import IdForm
from timetravel.facts.model import AttributeFact, AvailabilityFact, EntityKind, EventFact
from timetravel.store import Store
from worlds.directory import open_world
from worlds.durations import MINUTE_MICROS
from worlds.errors import MalformedSource
from worlds.external_ids import text_of
from worlds.live import live_forward
from worlds.movielens import import_movielens, source_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from worlds.records import SourcedFact

    WriteRelease = Callable[..., Path]
    Texts = Callable[[int], str]

FIRST = parse_moment("2000-07-30T18:20:47Z")
MANY = tuple(f"{1 + n % 40},{1 + n // 40},3.0,{964982703 + n}" for n in range(1000))
FILMS = tuple(f"{movie},Film {movie} (1990),Drama" for movie in range(1, 26))


def facts_of(world: Path) -> list[SourcedFact]:
    return list(open_world(world).timeline.facts())


def test_unsorted_ratings_become_events_in_the_order_of_time(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    import_movielens(write_release(), tmp_path / "world", seed=1)
    events = [
        one.fact for one in facts_of(tmp_path / "world") if isinstance(one.fact, EventFact)
    ]
    assert [(event.profile_id, event.video_id, event.value) for event in events] == [
        (7, 1, 4.0),
        (7, 2, 4.5),
        (3, 1, 0.5),
        (3, 4, 5.0),
    ]
    assert events[0].event_at == events[0].known_at == FIRST
    assert len({event.event_id for event in events}) == 4


def test_members_open_the_homepage_before_they_rate(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    import_movielens(write_release(), tmp_path / "world", seed=1)
    visits = open_world(tmp_path / "world").visits()
    # Twice by 7, whose ratings are 24 minutes apart, and once by 3, whose are a minute apart.
    assert visits.profile_ids.tolist() == [7, 7, 3]
    assert visits.shown_at[0] == FIRST - MINUTE_MICROS


def test_members_and_films_may_be_named_by_texts(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    folder = write_release()
    import_movielens(folder, tmp_path / "numbers", seed=1)
    import_movielens(folder, tmp_path / "texts", seed=1, ids=IdForm.TEXTS)
    texts = open_world(tmp_path / "texts").external_ids().texts

    def rated(world: str, profiles: Texts, videos: Texts) -> list[tuple[object, ...]]:
        return [
            (profiles(event.profile_id), videos(event.video_id), event.value, event.event_id)
            for event, *_ in facts_of(tmp_path / world)
            if isinstance(event, EventFact)
        ]

    assert rated(
        "texts", texts[EntityKind.PROFILE].__getitem__, texts[EntityKind.VIDEO].__getitem__
    ) == rated(
        "numbers", partial(text_of, EntityKind.PROFILE), partial(text_of, EntityKind.VIDEO)
    )
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    with Store.open(url) as store:
        assert live_forward(open_world(tmp_path / "texts"), store).is_complete
        assert store.id_forms() == dict.fromkeys(EntityKind, IdForm.TEXTS)


def test_films_keep_what_the_file_says_of_them(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    import_movielens(write_release(), tmp_path / "world", seed=1)
    said = {
        (fact.entity_id, fact.name): fact.value
        for fact, source, _ in facts_of(tmp_path / "world")
        if isinstance(fact, AttributeFact) and source == "movielens:movies"
    }
    assert said[2, "title"] == "American President, The"
    assert said[3, "title"] == 'He said "Go"'
    assert (said[4, "title"], said[4, "year"], said[4, "genres"]) == ("Babylon 5", None, [])


def test_what_movielens_lacks_is_made_up_and_marked(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    import_movielens(write_release(), tmp_path / "world", seed=1)
    marked: dict[bool, set[str]] = {True: set(), False: set()}
    for fact, _, synthetic in facts_of(tmp_path / "world"):
        name = fact.name if isinstance(fact, AttributeFact) else type(fact).__name__
        marked[synthetic].add(name)
    assert marked[False] == {"EventFact", "title", "year", "genres"}
    assert marked[True] >= {
        "AvailabilityFact",
        "country",
        "maturity_limit",
        "devices",
        "maturity",
    }
    assert not marked[True] & marked[False]


def test_marks_reach_the_store_for_features_too(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    import_movielens(write_release(), tmp_path / "world", seed=1)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    with Store.open(url) as store:
        live_forward(open_world(tmp_path / "world"), store)
    assert marks(tmp_path / "store.db", "event_fact") == {0}
    assert marks(tmp_path / "store.db", "availability_fact") == {1}
    assert marks(tmp_path / "store.db", "document_fact") == {1}
    assert marks(tmp_path / "store.db", "logged_page") == {1}
    for name, expected in (("title", {0}), ("maturity", {1}), ("country", {1})):
        assert marks(tmp_path / "store.db", "attribute_fact", f"name = '{name}'") == expected
    groups = "group_id IN (SELECT group_id FROM feature_group WHERE name = '{}')"
    for name, expected in (
        ("video_popularity", {0}),
        ("profile_taste", {0}),
        ("profile_genre_affinity", {0}),
        ("video_trending", {1}),  # it is by country, and countries are made up
    ):
        assert marks(tmp_path / "store.db", "feature_fact", groups.format(name)) == expected


def marks(path: Path, table: str, condition: str = "1") -> set[int]:
    """Return whether what a table holds came marked as synthetic: 1, 0, or both."""
    with sqlite3.connect(path) as connection:
        found = connection.execute(
            f"SELECT DISTINCT synthetic FROM {table} JOIN ingest_transaction USING (tx_id) "  # noqa: S608 - our own tables
            f"WHERE {condition}"
        )
        return set(itertools.chain.from_iterable(found))


def test_a_rating_of_a_film_that_is_not_listed_is_set_aside_with_a_remark(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    folder = write_release(movies=FILMS, ratings=(*MANY, "1,999,3.0,964990000"))
    report = import_movielens(folder, tmp_path / "world", seed=1)
    assert report.set_aside == 1
    (remark,) = report.manifest.remarks
    assert "1 of 1001 ratings" in remark
    assert "line 1002 of ratings.csv: movieId 999, userId 1. They were set aside." in remark
    assert open_world(tmp_path / "world").manifest.counts["events"] == 1000


def test_a_release_with_many_films_missing_is_refused(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    folder = write_release(movies=FILMS[:24], ratings=MANY)
    with pytest.raises(MalformedSource, match="40 of 1000 ratings are of films that"):
        import_movielens(folder, tmp_path / "world", seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_what_is_made_up_follows_from_the_seed_and_nothing_else_does(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    folder = write_release(movies=FILMS, ratings=MANY)
    first, same, other = (
        import_movielens(folder, tmp_path / name, seed=seed).manifest
        for name, seed in (("first", 1), ("same", 1), ("other", 2))
    )
    assert first == same
    assert first.digests["timeline/events.parquet"] == other.digests["timeline/events.parquet"]
    for name in ("timeline/attributes.parquet", "timeline/availability.parquet"):
        assert first.digests[name] != other.digests[name]


def test_another_member_changes_nobody_elses_attributes(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    folder = write_release(movies=FILMS, ratings=MANY)
    import_movielens(folder, tmp_path / "before", seed=1)
    with (folder / "ratings.csv").open("a") as file:
        file.write("41,1,3.0,964990000\n")
    import_movielens(folder, tmp_path / "after", seed=1)

    def described(world: Path) -> set[str]:
        made_up = (AttributeFact, AvailabilityFact)
        return {repr(one) for one in facts_of(world) if isinstance(one.fact, made_up)}

    added = described(tmp_path / "after") - described(tmp_path / "before")
    assert described(tmp_path / "before") <= described(tmp_path / "after")
    assert all("entity_id=41" in one for one in added)


def test_progress_adds_up_to_the_bytes_of_the_release(
    write_release: WriteRelease, tmp_path: Path
) -> None:
    folder = write_release()
    told: list[int] = []
    import_movielens(folder, tmp_path / "world", seed=1, advance=told.append)
    assert sum(told) == source_bytes(folder)


TWO = ("1,A (1990),Comedy", "2,B (1991),Drama")
MAX = 2**63 - 1
ODD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "one of each": (("1,A (1990),Comedy",), ("1,1,4.0,1262304000",)),
    "no years": (("1,A,Comedy", "2,B,Drama"), ("1,1,4.0,1262304000", "2,2,3.0,1262390400")),
    "a film of the future": (("1,A (2090),Comedy",), ("1,1,4.0,1262304000",)),
    "ids 0": (("0,A (1990),Comedy", "1,B (1991),Drama"), ("0,0,4.0,1262304000",)),
    "ids at the end": (
        (f"{MAX},A (1990),Comedy", f"{MAX - 1},B (1991),Drama"),
        (f"{MAX},{MAX},4.0,1262304000", f"0,{MAX - 1},4.0,1272304000"),
    ),
    "the first second": (TWO, ("1,1,4.0,788918400", "1,2,4.0,788918400")),
    "the last second": (TWO, ("1,1,4.0,4102444799",)),
    "all at one moment": (TWO, tuple(f"{user},1,4.0,1262304000" for user in range(5))),
    "a text of two lines": (('1,"A\nB (1990)","Com\nedy"',), ("1,1,4.0,1262304000",)),
    "a long text": ((f"1,{'A' * 100_000} (1990),Comedy",), ("1,1,4.0,1262304000",)),
    "control characters": (
        ("1,\x1b[2J\x00\x9b\u202e (1990),\x1b]8;;x\x07",),
        ("1,1,4.0,1262304000",),
    ),
    "five ratings": (
        (*TWO, "3,C,Comedy", "4,D,(no genres listed)", "5,E (2009–),Drama"),  # noqa: RUF001
        tuple(
            f"{user},{1 + day},4.0,{1262390400 + 86_400 * day}"
            for day, user in enumerate((2, 3, 1, 2, 3))
        ),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_release_is_lived_to_its_end(
    name: str, write_release: WriteRelease, tmp_path: Path
) -> None:
    films, ratings = ODD[name]
    import_movielens(write_release(movies=films, ratings=ratings), tmp_path / "world", seed=1)
    world = open_world(tmp_path / "world")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    upgrade(url)
    with Store.open(url) as store:
        report = live_forward(world, store)
        assert report.is_complete
        assert report.pages + report.failures == len(world.visits())
        # The first pages of five ratings are shown before a job has delivered a feature.
        assert (report.pages > 0) == (name == "five ratings")
