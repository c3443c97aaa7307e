"""One page: as logged, as simulated now, or as a run has it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from core.moments import format_moment, from_micros, parse_moment
from experiments.errors import PageNotFound
from experiments.generation.external_ids import moment_of
from experiments.generation.stored_pages import (
    add_titles,
    find_page_ids,
    find_profile_ids,
    read_simulated,
)
from experiments.report.pages.sheets import make_column
from services.page.canonical import page_digest, parse_page
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from experiments.report.pages.sheets import Column
    from services.page.model import Page
    from timetravel.store import Store

_TOLD = 5


@dataclass(frozen=True, slots=True)
class LoggedView:
    """Hold the logged page to look at, and the moment (microseconds) asked for.

    The page may be missing: then nothing was logged at or before that moment.
    """

    moment: int
    page: Page | None


@dataclass(frozen=True, slots=True)
class PageViews:
    """Hold the versions of one page to look at.

    Args:
        moment: Of the simulated pages, in microseconds.
        snapshot: Append position up to which facts were read.
        logged: The newest page logged at or before that moment, if there is one.
        simulated: By name.
        control: The name of the one that the others are compared with.
    """

    moment: int
    snapshot: int
    logged: Page | None
    simulated: Mapping[str, Page]
    control: str

    @property
    def is_same_moment(self) -> bool:
        """Return whether the logged page is of the moment itself."""
        return self.logged is not None and self.logged.as_of_micros == self.moment

    def describe(self, profile: str) -> str:
        """Return whose pages these are, and of when.

        Args:
            profile: How the store names the profile.
        """
        page = next(iter(self.simulated.values()))
        return (
            f"Profile {profile} at {from_micros(self.moment):%Y-%m-%d %H:%M:%S} UTC, "
            f"{page.device}, snapshot {self.snapshot}"
        )

    @property
    def sentence(self) -> str:
        """Say in one sentence how the pages compare."""
        told = []
        if self.logged is None:
            told.append("No page was logged by then.")
        elif not self.is_same_moment:
            told.append(f"The logged page is of {format_moment(self.logged.as_of_micros)}.")
        else:
            for name, page in self.simulated.items():
                same = page_digest(page) == page_digest(self.logged)
                told.append(
                    f"{name} {'equals' if same else 'differs from'} the logged page, byte "
                    "for byte."
                )
        return " ".join(told)

    def entitled(self, store: Store) -> PageViews:
        """Return the views with the video titles as known at each page's moment."""
        reader = store.as_of(self.snapshot)
        pages = add_titles(store, reader, self.simulated.values())
        logged = None
        if self.logged is not None:
            (logged,) = add_titles(store, reader, [self.logged])
        simulated = dict(zip(self.simulated, pages, strict=True))
        return replace(self, logged=logged, simulated=simulated)

    def columns(self, played: frozenset[int]) -> list[Column]:
        """Return the pages ready to be drawn: logged, then the others.

        Control is marked against the logged page, others against control if it is among
        them.
        """
        drawn = []
        if self.logged is not None:
            drawn.append(make_column(self._logged_name, self.logged, None, played))
        control = self.simulated.get(self.control)
        for name, page in self.simulated.items():
            if name == self.control or control is None:
                reference, against = self.logged, self._logged_name
            else:
                reference, against = control, self.control
            drawn.append(make_column(name, page, reference, played, against))
        return drawn

    @property
    def _logged_name(self) -> str:
        return "logged" if self.is_same_moment else "logged earlier"

    def to_document(self, store: Store) -> dict[str, object]:
        """Return the views as JSON-able values, with the ids that the store was given."""
        logged = self.logged
        return {
            "moment": format_moment(self.moment),
            "snapshot": self.snapshot,
            "logged": None if logged is None else _document(logged, store),
            "simulated": {
                name: _document(page, store) for name, page in self.simulated.items()
            },
        }


def _document(page: Page, store: Store) -> dict[str, object]:
    video_ids = [video.video_id for row in page.rows for video in row.videos]
    known = dict(zip(video_ids, store.external_ids(EntityKind.VIDEO, video_ids), strict=True))
    return {
        "profile_id": store.external_id(EntityKind.PROFILE, page.profile_id),
        "as_of": format_moment(page.as_of_micros),
        "device": page.device,
        "page_digest": page_digest(page),
        "geometry": asdict(page.geometry),
        "rows": [
            {
                **asdict(row),
                "type": row.type.label,
                "videos": [
                    {**asdict(video), "video_id": known[video.video_id]} for video in row.videos
                ],
            }
            for row in page.rows
        ],
    }


def find_logged(store: Store, profile_id: int, moment: int | None, snapshot: int) -> LoggedView:
    """Return the newest page logged for a profile at or before a moment.

    Args:
        store: Holds the logged pages.
        profile_id: Whose page.
        moment: In microseconds; None means the newest page there is.
        snapshot: Append position up to which is read.

    Raises:
        PageNotFound: No moment is given, and the profile has no logged page.
    """
    newest = None
    for logged in store.logged_pages(
        until=None if moment is None else moment + 1,
        profile_ids=[profile_id],
        snapshot=snapshot,
        with_features=False,
    ):
        newest = logged
    if newest is not None:
        return LoggedView(
            newest.shown_at if moment is None else moment, parse_page(newest.page)
        )
    if moment is not None:
        return LoggedView(moment, None)
    raise PageNotFound(
        f"No page was logged for profile {store.external_id(EntityKind.PROFILE, profile_id)}.",
        remedy="Say when with --at, or name another profile.",
        field="profile",
    )


def find_simulated(
    store: Store,
    directory: Path,
    profile_id: int,
    moment: int | None,
    variants: Sequence[str],
) -> tuple[int, dict[str, Page]]:
    """Return a moment, and the page of a run at it by variant.

    Args:
        store: Names the profiles.
        directory: The run's.
        profile_id: Whose page.
        moment: In microseconds; None means the newest that the run has of the profile.
        variants: Which variants.

    Raises:
        PageNotFound: The run has no such page.
    """
    page_ids = find_page_ids(directory, profile_id)
    by_moment = {moment_of(page_id): page_id for page_id in page_ids}
    newest = page_ids[-1] if page_ids else None
    wanted = newest if moment is None else by_moment.get(format_moment(moment))
    if wanted is None:
        profile = store.external_id(EntityKind.PROFILE, profile_id)
        raise PageNotFound(
            f"{directory} has no page of profile {profile}"
            + ("." if moment is None else f" at {format_moment(moment)}."),
            remedy=_describe_pages(store, directory, page_ids),
            field="profile" if moment is None else "--at",
        )
    found = {}
    for variant in variants:
        pages = read_simulated(directory, variant, [wanted])
        if wanted not in pages:
            raise PageNotFound(
                f"{variant} has no page {wanted}.",
                remedy="The column `failure` of the run's pages says why.",
                field="--variant",
            )
        found[variant] = pages[wanted]
    return parse_moment(moment_of(wanted)), found


def _describe_pages(store: Store, directory: Path, page_ids: Sequence[str]) -> str:
    """Say what can be asked for instead: other moments of the profile, else other profiles."""
    if page_ids:
        return f"Say --at one of: {_list_some([moment_of(one) for one in page_ids])}."
    profile_ids = find_profile_ids(directory)
    if not profile_ids:
        return "The run has no page of anyone; `pagesim run` makes one that has."
    names = store.name_entities(EntityKind.PROFILE, profile_ids)
    return f"Name a profile that it has: {_list_some(names)}."


def _list_some(values: Sequence[str]) -> str:
    more = len(values) - _TOLD
    return ", ".join(values[:_TOLD]) + (f" and {more} more" if more > 0 else "")
