"""Logged pages come back as they were logged, in order, and page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from timetravel.facts.model import LoggedFeatures, LoggedPageFact
from timetravel.queries import logged_pages

if TYPE_CHECKING:
    import pytest

    from timetravel.store import Store


def logged_page(
    profile_id: int, shown_at: int, *, known_at: int = 0, page: bytes = b"page"
) -> LoggedPageFact:
    ids = np.array([profile_id, profile_id + 1], dtype=np.int64)
    features = LoggedFeatures(
        "taste", ids, np.array([[1, np.nan], [2, 3]], dtype=np.float32), ids + 5, ids - 5
    )
    nothing = np.empty(0, dtype=np.int64)
    empty = LoggedFeatures("none", nothing, np.empty((0, 0), np.float32), nothing, nothing)
    context = {"country": "US"}
    return LoggedPageFact(
        profile_id, shown_at, known_at, "tv", context, page, "digest", (features, empty)
    )


def log(store: Store, *pages: LoggedPageFact) -> None:
    with store.begin(0) as writer:
        writer.append(pages, source="live", synthetic=False)


def test_a_page_comes_back_with_its_context_and_features(store: Store) -> None:
    log(store, logged_page(7, 100, known_at=101))
    (page,) = store.logged_pages()
    assert (page.profile_id, page.shown_at, page.known_at) == (7, 100, 101)
    assert (page.device, page.context, page.page) == ("tv", {"country": "US"}, b"page")
    assert page.page_digest == "digest"
    empty, features = page.features
    assert (empty.group, len(empty.entity_ids)) == ("none", 0)
    assert features.entity_ids.tolist() == [7, 8]
    assert features.known_at.tolist() == [12, 13]
    assert features.valid_from.tolist() == [2, 3]
    expected = np.array([[1, np.nan], [2, 3]], dtype=np.float32)
    assert np.array_equal(features.values, expected, equal_nan=True)


def test_features_are_left_out_where_nobody_asks_for_them(store: Store) -> None:
    log(store, logged_page(7, 100))
    (page,) = store.logged_pages(with_features=False)
    assert page.features == ()


def test_pages_come_in_order_of_time_and_profile_however_many_reads_it_takes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged_pages, "_PAGES_PER_READ", 3)
    shown = [(at, profile_id) for at in (5, -3, 9) for profile_id in (4, 1, 8)]
    log(store, *(logged_page(profile_id, at) for at, profile_id in shown))
    found = [(page.shown_at, page.profile_id) for page in store.logged_pages()]
    assert found == sorted(shown)
    assert all(len(page.features) == 2 for page in store.logged_pages())


def test_pages_are_chosen_by_time_profile_and_snapshot(store: Store) -> None:
    log(store, *(logged_page(profile_id, at) for at in (1, 2, 3) for profile_id in (1, 2)))
    before = store.snapshot()
    log(store, logged_page(1, 2, known_at=9, page=b"corrected"), logged_page(3, 2))
    (page,) = store.logged_pages(since=2, until=3, profile_ids=[1])
    assert page.page == b"corrected"
    (page,) = store.logged_pages(since=2, until=3, profile_ids=[1], snapshot=before)
    assert page.page == b"page"
    assert store.count_logged_pages() == 7
    assert store.count_logged_pages(since=2, until=3) == 3
    assert store.count_logged_pages(snapshot=before) == 6
    assert store.count_logged_pages(profile_ids=[]) == 0


def test_logging_may_go_on_while_pages_are_read(store: Store) -> None:
    log(store, logged_page(1, 1), logged_page(2, 2))
    reading = store.logged_pages()
    next(reading)
    log(store, logged_page(3, 3))
    assert [page.profile_id for page in reading] == [2]


def test_a_withdrawn_page_is_gone_once_that_is_known(store: Store) -> None:
    log(store, logged_page(1, 10, known_at=10), logged_page(2, 10, known_at=10))
    before = store.snapshot()
    log(store, LoggedPageFact.withdraw(1, 10, 50))

    def shown(*, known_by: int | None = None, snapshot: int | None = None) -> list[int]:
        pages = store.logged_pages(known_by=known_by, snapshot=snapshot)
        count = store.count_logged_pages(known_by=known_by, snapshot=snapshot)
        found = [page.profile_id for page in pages]
        assert len(found) == count
        return found

    assert shown() == [2]
    assert shown(known_by=49) == [1, 2]
    assert shown(known_by=50) == [2]
    assert shown(snapshot=before) == [1, 2]
    log(store, logged_page(1, 10, known_at=60, page=b"after all"))
    assert shown() == [1, 2]
    assert shown(known_by=55) == [2]


def test_a_correction_is_what_was_shown_once_it_is_known(store: Store) -> None:
    log(store, logged_page(1, 10, known_at=10), logged_page(1, 10, known_at=30, page=b"other"))
    for known_by, page in ((9, []), (10, [b"page"]), (29, [b"page"]), (30, [b"other"])):
        assert [own.page for own in store.logged_pages(known_by=known_by)] == page
