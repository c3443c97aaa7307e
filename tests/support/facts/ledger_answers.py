"""Asks a ledger everything there is to ask, in a form that can be compared."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.facts.dirty_facts import DOCUMENTS, PROFILES, START, VIDEOS
from timetravel.errors import UnknownEntity
from timetravel.facts.model import EntityKind, EventKind, FactKind
from timetravel.ledger.questions import Changes, TimeAxis
from timetravel.ledger.versions import Subject
from timetravel.reading.profile_search import Strata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from timetravel.ledger.ledger import FactLedger
    from timetravel.ledger.versions import FactVersion
    from timetravel.queries.logged_pages import LoggedPage

SUBJECTS = (
    *(Subject(EntityKind.PROFILE, profile_id) for profile_id in PROFILES),
    *(Subject(EntityKind.VIDEO, video_id) for video_id in VIDEOS),
    *(Subject.document("configuration", name) for name in DOCUMENTS),
)
STRATA = (
    Strata(("title",)),
    Strata(("title", "year")),
    Strata(("year",), {"title": ("ä", 7)}),
    Strata((), {"title": ("ä", None, ["x"]), "year": (7, None)}),
    Strata(("unheard",), {"year": (True, 1)}),
)


def ask_entity_history(ledger: FactLedger, moments: Sequence[int]) -> object:
    """Return the histories of all subjects: whole, and of some kinds and names."""
    return [
        _history(ledger, subject, at, kinds, names)
        for at in moments
        for subject in SUBJECTS
        for kinds, names in (
            ((), ()),
            ((FactKind.EVENT, FactKind.ALLOCATION), ()),
            ((), ("title", "profile_taste", "ranker", "event-2", "window-1")),
        )
    ]


def ask_changed_facts(ledger: FactLedger, moments: Sequence[int]) -> object:
    """Return what changed up to several moments, on both axes."""
    entities = frozenset({(EntityKind.PROFILE, 1), (EntityKind.VIDEO, VIDEOS[-1])})
    some_kinds = frozenset({FactKind.FEATURES, FactKind.EVENT, FactKind.DOCUMENT})
    questions = (
        Changes(axis, until - width, until, kinds, chosen)
        for until in moments
        for axis in TimeAxis
        for width, kinds, chosen in (
            (3, frozenset[FactKind](), frozenset[tuple[EntityKind, int]]()),
            (8, some_kinds, frozenset[tuple[EntityKind, int]]()),
            (8, frozenset[FactKind](), entities),
            (0, frozenset[FactKind](), frozenset[tuple[EntityKind, int]]()),
        )
    )
    return [
        [(change.version, change.resume_token) for change in ledger.changed_facts(changes)]
        for changes in questions
    ]


def ask_profiles(ledger: FactLedger, moments: Sequence[int]) -> object:
    """Return candidates by several strata: all, page by page, and counted."""
    answers: list[object] = []
    for at in moments:
        for strata in STRATA:
            for limit in (2, 1000):
                after: int | None = None
                for _ in range(len(PROFILES) + 1):
                    rows = ledger.find_profiles(at, strata, after, limit)
                    columns = (rows.profile_ids.tolist(), dict(rows.columns))
                    answers.append((*columns, rows.newest_known_at.tolist(), rows.next_after))
                    after = rows.next_after
                    if after is None:
                        break
            counted = ledger.count_profiles(at, strata)
            answers.append((dict(counted.profiles), counted.newest_known_at))
    return answers


def ask_logged_pages(ledger: FactLedger, moments: Sequence[int]) -> object:
    """Return the pages shown up to several moments: all, and of windows and some profiles."""
    answers: list[object] = []
    for at in moments:
        for since, profile_ids in ((None, None), (at - 4, None), (START, PROFILES[:2])):
            pages = ledger.logged_pages(at, since, profile_ids)
            answers.append([_page(page) for page in pages])
        bare = ledger.logged_pages(at, None, [PROFILES[0]], with_features=False)
        answers.append([_page(page) for page in bare])
    return answers


def ask_engagement(ledger: FactLedger, moments: Sequence[int]) -> object:
    """Return the events of all profiles with their pages, by several horizons and windows."""
    ids = [profile_id for _ in moments for profile_id in PROFILES]
    at = [moment for moment in moments for _ in PROFILES]
    answers: list[object] = []
    for since, kinds, horizon in (
        (None, (), 0),
        (None, (EventKind.PLAY, EventKind.RATING), 3),
        ([moment - 5 for moment in at], (), 2),
        (START + 4, (), 1),
    ):
        rows = ledger.engagement(ids, at, since, kinds, horizon)
        events = rows.events
        columns = (
            *(events.offsets, events.video_ids, events.event_at, events.kinds, events.values),
            *(events.newest_known_at, rows.shown_at, rows.positions),
        )
        answers.append([*(_plain(column) for column in columns), list(rows.row_ids)])
    return answers


LEDGER_QUESTIONS: dict[str, Callable[[FactLedger, Sequence[int]], object]] = {
    "entity_history": ask_entity_history,
    "changed_facts": ask_changed_facts,
    "profiles": ask_profiles,
    "logged_pages": ask_logged_pages,
    "engagement": ask_engagement,
}
"""Every question about the record, by name."""


def ask_ledger(ledger: FactLedger, moments: Sequence[int]) -> dict[str, object]:
    """Return the answers to all questions."""
    return {name: ask(ledger, moments) for name, ask in LEDGER_QUESTIONS.items()}


def resume_each_time(
    ledger: FactLedger, changes: Changes, *, after: int
) -> Iterator[FactVersion]:
    """Yield what changed, asking anew after so many versions at most."""
    token = ""
    while some := list(islice(ledger.changed_facts(changes, token), after)):
        yield from (change.version for change in some)
        token = some[-1].resume_token


def _history(
    ledger: FactLedger,
    subject: Subject,
    at: int,
    kinds: Iterable[FactKind],
    names: Sequence[str],
) -> object:
    try:
        return ledger.entity_history(subject, at, kinds, names)
    except UnknownEntity:
        return None


def _page(page: LoggedPage) -> object:
    features = [
        (
            logged.group,
            _plain(logged.entity_ids),
            _plain(logged.values),
            _plain(logged.known_at),
            _plain(logged.valid_from),
        )
        for logged in page.features
    ]
    key = (page.profile_id, page.shown_at, page.known_at, page.device)
    return (*key, dict(page.context), page.page, page.page_digest, features)


def _plain(array: NDArray[Any]) -> object:
    plain = array.astype(object)
    if array.dtype.kind == "f":
        plain[np.isnan(array)] = None
    return plain.tolist()
