"""SQLite and PostgreSQL keep what was appended, alike."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.facts.dirty_facts import TASTE
from tests.support.facts.fact_answers import fill
from timetravel.database import migrate
from timetravel.errors import ContradictingFacts
from timetravel.facts.model import (
    AttributeFact,
    EntityKind,
    FeatureFact,
    LoggedFeatures,
    LoggedPageFact,
)

if TYPE_CHECKING:
    from timetravel.store import Store


def title(video_id: int, value: str, *, known_at: int = 0) -> AttributeFact:
    return AttributeFact(EntityKind.VIDEO, video_id, "title", 0, known_at, value)


def test_migrations_make_the_tables_of_the_definition(store_url: str) -> None:
    migrate.check(store_url)
    migrate.downgrade(store_url, "base")
    assert migrate.current_revision(store_url) is None
    migrate.upgrade(store_url)
    migrate.check(store_url)


def test_an_error_before_the_end_leaves_nothing(store: Store) -> None:
    fill(store, [])
    before = store.snapshot()

    def write_and_fail() -> None:
        with store.begin(0) as writer:
            writer.append([title(1, "Alien")], source="test", synthetic=False)
            writer.set_cursor("job", {"day": 1})
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_and_fail()
    assert store.snapshot() == before
    assert set(store.count_facts().values()) == {0}
    assert store.cursor("job") is None


def test_a_refused_batch_leaves_nothing_of_itself(store: Store) -> None:
    fill(store, [])
    with store.begin(0) as writer:
        with pytest.raises(ContradictingFacts):
            writer.append(
                [title(1, "Alien"), title(2, "Cube"), title(2, "Cure")],
                source="test",
                synthetic=False,
            )
        writer.append([title(3, "Dogville")], source="test", synthetic=False)
        writer.set_cursor("job", {"day": 2})
    assert store.as_of().catalogue(0, ["title"]).columns == {"title": ["Dogville"]}
    assert store.cursor("job") == {"day": 2}


def test_transactions_follow_commits_however_many_write_at_once(store: Store) -> None:
    fill(store, [])
    before = store.snapshot()
    seen: list[tuple[int, int]] = []

    def write(video_id: int) -> None:
        for known_at in range(5):
            with store.begin(0) as writer:
                tx_id = writer.append(
                    [title(video_id, "x", known_at=known_at)], source="test", synthetic=False
                )
                seen.append((tx_id, store.snapshot()))

    threads = [threading.Thread(target=write, args=(video_id,)) for video_id in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # While a transaction is written, everything before it is there and nothing of it.
    assert seen == [(before + turn, before + turn - 1) for turn in range(1, 21)]


def test_what_the_writer_reads_includes_what_it_wrote(store: Store) -> None:
    fill(store, [])
    with store.begin(0) as writer:
        vector = np.array([1, 2], dtype=np.float32)
        writer.append(
            [FeatureFact(TASTE.name, 1, 0, 0, vector)], source="test", synthetic=False
        )
        assert writer.current.features(TASTE.name, [1], 0).values.tolist() == [[1, 2]]
        assert np.isnan(store.current().features(TASTE.name, [1], 0).values).all()


def test_logged_pages_come_back_in_order(store: Store) -> None:
    fill(store, [])
    ids = np.array([4, 5], dtype=np.int64)
    matrix = np.array([[1, np.nan], [2, 3]], dtype=np.float32)
    features = LoggedFeatures(TASTE.name, ids, matrix, ids + 1, ids - 1)
    pages = [
        LoggedPageFact(profile, at, at, "tv", {"country": "NZ"}, b"\x00p", "d", (features,))
        for at in (9, -5)
        for profile in (2, 1)
    ]
    with store.begin(0) as writer:
        writer.append(pages, source="live", synthetic=False)
    found = list(store.logged_pages(since=-5, until=10))
    assert [(page.shown_at, page.profile_id) for page in found] == [
        (-5, 1),
        (-5, 2),
        (9, 1),
        (9, 2),
    ]
    assert found[0].page == b"\x00p"
    assert found[0].context == {"country": "NZ"}
    assert np.array_equal(found[0].features[0].values, matrix, equal_nan=True)
    assert store.count_logged_pages(profile_ids=[1]) == 2
    digests = store.logged_digests(since=-5, until=9)
    assert digests.shown_at.tolist() == [-5, -5]
    assert digests.profile_ids.tolist() == [1, 2]
    assert (*digests.devices, *digests.digests) == ("tv", "tv", "d", "d")
    assert not store.logged_digests(since=-5, until=9, profile_ids=[3]).digests


def test_logged_pages_outlive_the_revision_that_lets_them_be_withdrawn(
    store_url: str, store: Store
) -> None:
    fill(store, [])
    withdrawn, kept = (
        LoggedPageFact(profile, 5, 5, "tv", {}, b"page", "d") for profile in (1, 2)
    )
    corrected = LoggedPageFact(2, 5, 9, "tv", {}, b"better", "d")
    with store.begin(0) as writer:
        writer.append([withdrawn, kept, corrected], source="live", synthetic=False)
        writer.append([LoggedPageFact.withdraw(1, 5, 8)], source="live", synthetic=False)
    migrate.downgrade(store_url, "0003")
    migrate.upgrade(store_url)
    migrate.check(store_url)
    assert [page.page for page in store.logged_pages()] == [b"better"]
    assert [page.page for page in store.logged_pages(known_by=8)] == [b"page"]
