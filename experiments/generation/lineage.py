"""Checks that no page used facts that were not yet known at its moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.moments import format_moment
from experiments.errors import LeakedPages

if TYPE_CHECKING:
    from experiments.generation.external_ids import PageIds
    from services.page.model import AssembledPages


@dataclass(frozen=True, slots=True)
class PageLeak:
    """A page that used a fact before it was known; moments in microseconds.

    Attributes:
        page_id: The page.
        newest_known_at: When the newest fact in it became known.
        as_of: By when it would have had to.
    """

    page_id: str
    newest_known_at: int
    as_of: int

    def __str__(self) -> str:
        return (
            f"Page {self.page_id} used a fact known at {format_moment(self.newest_known_at)}, "
            f"later than {format_moment(self.as_of)}"
        )


def find_page_leaks(
    pages: AssembledPages, known_by: int | None, page_ids: PageIds
) -> list[PageLeak]:
    """Return the pages that used what was not yet known.

    Args:
        pages: With their lineage.
        known_by: What facts were read by; None means each page's own as-of.
        page_ids: Names the pages.
    """
    moments = pages.requests.as_of_micros
    bounds = moments if known_by is None else np.full_like(moments, known_by)
    return [
        PageLeak(
            page_ids.one(int(pages.requests.profile_ids[page]), int(moments[page])),
            int(pages.newest_known_at[page]),
            int(bounds[page]),
        )
        for page in np.flatnonzero(pages.newest_known_at > bounds).tolist()
    ]


def check_lineage(pages: AssembledPages, known_by: int | None, page_ids: PageIds) -> None:
    """Refuse pages that used what was not yet known.

    Raises:
        LeakedPages: There are some: nothing that is measured on them can be trusted.
    """
    leaks = find_page_leaks(pages, known_by, page_ids)
    if leaks:
        more = f", and so did {len(leaks) - 1} more of its batch" if len(leaks) > 1 else ""
        raise LeakedPages(
            f"{leaks[0]}{more}.",
            remedy="Report this: the simulation looked into the future. `pagesim validate` "
            "says which facts are read back otherwise than they were logged.",
        )
