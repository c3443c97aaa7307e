"""Explains early that a page is requested of a profile or a moment without facts."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from core.errors import NotFound, WrongState
from core.moments import LAST_MICROS, format_moment
from experiments.errors import PageNotFound
from services.page.inputs import COUNTRY
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from timetravel.reading.reader import FactReader
    from timetravel.store import Store

_LOOKED_THROUGH = 100
_TOLD = 5


def check_profile(store: Store, profile_id: int, moment: int, snapshot: int) -> None:
    """Check that the store knows a profile at a moment (microseconds).

    Raises:
        PageNotFound: It knows no such profile, or not yet.
    """
    reader = store.as_of(snapshot)
    if _is_known(reader, profile_id, moment):
        return
    name = store.external_id(EntityKind.PROFILE, profile_id)
    if not _is_known(reader, profile_id, LAST_MICROS):
        raise PageNotFound(
            f"The store knows no profile {name}.",
            remedy=_describe_profiles(store, snapshot),
            field="profile",
        )
    first = next(
        store.logged_pages(profile_ids=[profile_id], snapshot=snapshot, with_features=False),
        None,
    )
    raise PageNotFound(
        f"Profile {name} is not known at {format_moment(moment)}.",
        remedy="Give a later moment."
        if first is None
        else f"Its first logged page is of {format_moment(first.shown_at)}.",
        field="--at",
    )


@contextmanager
def explaining_window(store: Store, moment: int, snapshot: int) -> Iterator[None]:
    """Say of a page that cannot be made if its moment lies after all that was lived.

    Args:
        store: Holds the logged pages.
        moment: Of the page, in microseconds.
        snapshot: Append position up to which is read.

    Raises:
        PageNotFound: The page could not be made, and nothing was logged so late.
    """
    try:
        yield
    except (NotFound, WrongState) as error:
        if store.count_logged_pages(since=moment, snapshot=snapshot):
            raise
        pages = store.logged_pages(snapshot=snapshot, with_features=False)
        newest = next(iter(deque(pages, maxlen=1)), None)
        if newest is None:
            raise
        raise PageNotFound(
            f"{error.problem} {format_moment(moment)} is later than the newest page that was "
            f"logged for anyone, {format_moment(newest.shown_at)}.",
            remedy="Give a moment up to then, or leave it out.",
            field="--at",
        ) from error


def _is_known(reader: FactReader, profile_id: int, moment: int) -> bool:
    rows = reader.attributes(EntityKind.PROFILE, [profile_id], moment, (COUNTRY,))
    return rows.columns[COUNTRY][0] is not None


def _describe_profiles(store: Store, snapshot: int) -> str:
    pages = store.logged_pages(snapshot=snapshot, with_features=False)
    found = sorted({page.profile_id for page in islice(pages, _LOOKED_THROUGH)})
    if not found:
        return "Nor was a page logged for anyone: live a world forward first."
    names = store.name_entities(EntityKind.PROFILE, found[:_TOLD])
    return f"Name one with logged pages, e.g. {', '.join(names)}."
