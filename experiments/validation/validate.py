"""Makes logged pages again as control, and compares pages, features and lineage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from experiments.generation.external_ids import PageIds
from experiments.generation.generator import cut_batches, generate_pages
from experiments.generation.lineage import find_page_leaks
from experiments.scope.draw import take_first
from experiments.scope.page_keys import PageKeys
from experiments.validation.errors import InvalidValidation, NothingLogged
from experiments.validation.features import add_counts, compare_features
from experiments.validation.outcome import PageCheck, ValidationOutcome
from experiments.validation.pages import Stage, first_difference
from services.page.canonical import parse_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from core.arrays import Int64Array
    from experiments.generation.generator import Assembler
    from experiments.generation.lineage import PageLeak
    from experiments.generation.outages import Patience
    from experiments.validation.features import FeatureMismatch, FieldCount
    from services.page.model import AssembledPages
    from timetravel.queries.logged_pages import LoggedPage
    from timetravel.reading.lineage import Leak
    from timetravel.reading.reader import FactReader
    from timetravel.store import Store

_PAGES_AT_ONCE = 1_000
_BATCH_PAGES = 100
_BATCHES_IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class ValidationScope:
    """Say which logged pages are made again, and by what.

    Args:
        since: First moment in microseconds; None means from the first page.
        until: The moment after the last; None means to the last page.
        profiles: How many profiles at most, drawn by `seed`; None means all.
        seed: Decides the draw.
        snapshot: Append position up to which is read.
        known_by_micros: Read facts as known by this moment; None means each page's as-of.
        threshold: Shares below this fail; from 0 to 1.
    """

    snapshot: int
    since: int | None = None
    until: int | None = None
    profiles: int | None = None
    seed: int = 0
    known_by_micros: int | None = None
    threshold: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InvalidValidation(
                f"A threshold of {self.threshold} is not a share.",
                remedy="Give a number from 0 to 1.",
                field="threshold",
            )
        if self.profiles is not None and self.profiles < 1:
            raise InvalidValidation(
                f"{self.profiles} profiles are fewer than 1.",
                remedy="Ask for 1 or more.",
                field="profiles",
            )
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidValidation(
                "The window ends before it begins.",
                remedy="Give --since a moment earlier than --until.",
                field="since",
            )


@dataclass(frozen=True, slots=True, eq=False)
class ChosenPages:
    """Say which logged pages a validation holds its own against.

    Args:
        profile_ids: int64, whose, ascending; None means everybody's.
        pages: How many.
        last: The moment of the last one, in microseconds.
    """

    profile_ids: Int64Array | None
    pages: int
    last: int


def choose_logged_pages(store: Store, scope: ValidationScope) -> ChosenPages:
    """Return the pages in the scope.

    Raises:
        NothingLogged: There are none.
    """
    shown = store.shown_pages(since=scope.since, until=scope.until, snapshot=scope.snapshot)
    if not len(shown):
        raise NothingLogged(
            f"{store.url} holds no logged page in the window.",
            remedy="Live a world forward first (pagesim world live), or widen the window.",
            field="store",
        )
    everybody = np.unique(shown.profile_ids)
    if scope.profiles is None or scope.profiles >= len(everybody):
        return ChosenPages(None, len(shown), int(shown.shown_at[-1]))
    one_group = np.zeros(len(everybody), np.int64)
    drawn = take_first(one_group, np.array([scope.profiles]), scope.seed, everybody)
    chosen = everybody[drawn]
    own = shown.shown_at[np.isin(shown.profile_ids, chosen)]
    return ChosenPages(chosen, len(own), int(own[-1]))


def validate_pages(
    store: Store,
    scope: ValidationScope,
    chosen: ChosenPages,
    assembler: Assembler,
    reader: FactReader,
    patience: Patience,
    *,
    advance: Callable[[int], object] = lambda _pages: None,
) -> ValidationOutcome:
    """Make the chosen pages again, and return what came of it.

    Args:
        store: Holds the logged pages.
        scope: Which pages, and what counts as passing.
        chosen: What `choose_logged_pages` returned.
        assembler: Makes control pages as of their moments, as the scope says.
        reader: Reads features in the same way.
        patience: Waits while the mesh restarts what died.
        advance: Told how many more pages are done.
    """
    checks: list[PageCheck] = []
    counts: list[FieldCount] = []
    mismatches: list[FeatureMismatch] = []
    leaks: list[Leak | PageLeak] = []
    logged = store.logged_pages(
        since=scope.since,
        until=scope.until,
        profile_ids=None if chosen.profile_ids is None else chosen.profile_ids.tolist(),
        snapshot=scope.snapshot,
    )
    while some := list(islice(logged, _PAGES_AT_ONCE)):
        compared = patience.call(
            partial(compare_features, reader, some, scope.known_by_micros, store.external_id)
        )
        counts.extend(compared.counts)
        mismatches.extend(compared.mismatches)
        leaks.extend(compared.leaks)
        page_ids = PageIds.of_store(store, np.array([page.profile_id for page in some]))
        for check, leak in _check_pages(
            some, assembler, scope.known_by_micros, patience, page_ids
        ):
            checks.append(check)
            leaks.extend(leak)
            advance(1)
    return ValidationOutcome(
        checks=tuple(checks),
        fields=add_counts(counts),
        mismatches=tuple(sorted(mismatches, key=lambda own: (own.shown_at, own.profile_id))),
        leaks=tuple(leaks),
        snapshot=scope.snapshot,
        known_by_micros=scope.known_by_micros,
        threshold=scope.threshold,
    )


def _check_pages(
    logged: Sequence[LoggedPage],
    assembler: Assembler,
    known_by: int | None,
    patience: Patience,
    page_ids: PageIds,
) -> Iterator[tuple[PageCheck, list[PageLeak]]]:
    keys = PageKeys.of(
        np.array([page.shown_at for page in logged], np.int64),
        np.array([page.profile_id for page in logged], np.int64),
        pa.array([page.device for page in logged]).dictionary_encode(),
    )
    remaining = iter(logged)
    batches = ((None, batch) for batch in cut_batches(keys, _BATCH_PAGES))
    for _, batch, pages in generate_pages(assembler, batches, _BATCHES_IN_FLIGHT, patience):
        failures = {failure.index: failure.message for failure in pages.failures}
        leaks = {leak.page_id: leak for leak in find_page_leaks(pages, known_by, page_ids)}
        names = page_ids.of_keys(batch).to_pylist()
        for index, page in enumerate(islice(remaining, len(batch))):
            leak = leaks.get(names[index])
            check = _check(page, names[index], pages, index, failures.get(index, ""), leak)
            yield check, [] if leak is None else [leak]


def _check(
    logged: LoggedPage,
    page_id: str,
    pages: AssembledPages,
    index: int,
    failure: str,
    leak: PageLeak | None,
) -> PageCheck:
    difference = None
    if pages.digests[index] != logged.page_digest:
        simulated = None if failure else pages.page(index)
        # Digests that differ for equal pages would be a fault of the log: bytes decide.
        difference = first_difference(simulated, parse_page(logged.page)) or Stage.LOG
    return PageCheck(
        page_id=page_id,
        profile_id=logged.profile_id,
        shown_at=logged.shown_at,
        device=logged.device,
        logged_digest=logged.page_digest,
        simulated_digest=pages.digests[index],
        difference=difference,
        newest_known_at=int(pages.newest_known_at[index]),
        reads_future=leak is not None,
        failure=failure,
    )
