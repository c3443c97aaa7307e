"""Lives a world forward, transaction by transaction; each may be the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from core.moments import EARLIEST_MICROS, format_moment
from timetravel.facts.model import EntityKind
from worlds.errors import OtherWorldLived
from worlds.external_ids import choose_texts
from worlds.live.pages import SOURCE, LivePages
from worlds.live.reader import LiveReader
from worlds.live.system import LiveSystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from timetravel.facts.model import JsonValue
    from timetravel.store import Store
    from timetravel.writing.writer import Writer
    from worlds.directory import World
    from worlds.visits import Visits

CURSOR_NAME: Final = "live"
_VISITS_PER_TRANSACTION: Final = 256

_log = structlog.get_logger("worlds.live")


@dataclass(frozen=True, slots=True)
class LifeReport:
    """Say how far a world has been lived.

    Args:
        lived_until: Microseconds; the store holds all that was known by then.
        pages: Pages logged in all.
        failures: Visits in all at which no page could be made.
        is_complete: Whether the world has come to its end.
    """

    lived_until: int
    pages: int
    failures: int
    is_complete: bool


def live_forward(
    world: World,
    store: Store,
    *,
    until: int | None = None,
    advance: Callable[[int], None] = lambda _visits: None,
) -> LifeReport:
    """Live a world forward from where the store has it.

    Facts enter the store in the order in which they become known; feature jobs run on their
    grids; at each visit a page is made from the store as it is then, and logged. Stopped at
    any moment and called again, it leaves the same store.

    Args:
        world: To live.
        store: That holds nothing, or what was lived of this world before.
        until: When to stop, microseconds; None means at the world's end.
        advance: Told how many visits have been lived since it was last told.

    Raises:
        OtherWorldLived: The store holds something else.
    """
    end = world.manifest.until_micros
    end = end if until is None else min(until, end)
    report = read_report(world, store)
    visits = world.visits()
    advance(visits.count_until(report.lived_until))
    if report.lived_until >= end:
        return report
    system = LiveSystem(world, report.lived_until)
    if report.lived_until > EARLIEST_MICROS:
        system.restore(store.current())
    reader = LiveReader(system.horizon, system.memory, store.current())
    pages = LivePages(system, reader)
    for chunk in _chunks(visits, report.lived_until, end):
        with store.begin(chunk.until) as writer:
            reader.attach(writer.current)
            if report.lived_until == EARLIEST_MICROS:
                for group in system.groups:
                    writer.register(group)
            shown, failed = _live_chunk(visits, chunk, system, pages, writer, advance)
            report = LifeReport(
                chunk.until,
                report.pages + shown,
                report.failures + failed,
                is_complete=chunk.until == world.manifest.until_micros,
            )
            _write_report(world, report, writer)
    return report


def read_report(world: World, store: Store) -> LifeReport:
    """Return how far a store has lived a world.

    Raises:
        OtherWorldLived: The store holds something else.
    """
    cursor = store.cursor(CURSOR_NAME)
    if cursor is None:
        if any(store.count_facts().values()):
            raise OtherWorldLived(
                f"{store.url} holds facts, and no world was lived there.",
                remedy="Give a store of its own to each world.",
                field="store",
            )
        return LifeReport(EARLIEST_MICROS, 0, 0, is_complete=False)
    if cursor["world"] != world.manifest.world_id:
        raise OtherWorldLived(
            f"{store.url} holds another world, {cursor['world']}, and {world.path} is "
            f"{world.manifest.world_id}.",
            remedy="Give a store of its own to each world.",
            field="store",
        )
    lived_until, pages, failures = (
        _integer(cursor[name]) for name in ("lived_until", "pages", "failures")
    )
    is_complete = lived_until >= world.manifest.until_micros
    return LifeReport(lived_until, pages, failures, is_complete=is_complete)


def _write_report(world: World, report: LifeReport, writer: Writer) -> None:
    cursor: dict[str, JsonValue] = {
        "world": world.manifest.world_id,
        "lived_until": report.lived_until,
        "pages": report.pages,
        "failures": report.failures,
    }
    writer.set_cursor(CURSOR_NAME, cursor)


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"the cursor holds {value!r} for a number")
    return value


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Visits [first, last) to live, and the moment to live until."""

    first: int
    last: int
    until: int


def _chunks(visits: Visits, lived_until: int, end: int) -> Iterator[_Chunk]:
    """Yield what each transaction lives; where they end does not depend on where one begins."""
    first, beyond = visits.count_until(lived_until), visits.count_until(end)
    while first < beyond:
        goal = (first // _VISITS_PER_TRANSACTION + 1) * _VISITS_PER_TRANSACTION
        until = int(visits.shown_at[min(goal, beyond) - 1])
        last = visits.count_until(until)  # visits of one moment stay together
        yield _Chunk(first, last, until)
        first, lived_until = last, until
    if lived_until < end:
        yield _Chunk(first, first, end)


def _live_chunk(
    visits: Visits,
    chunk: _Chunk,
    system: LiveSystem,
    pages: LivePages,
    writer: Writer,
    advance: Callable[[int], None],
) -> tuple[int, int]:
    """Return how many pages were logged, and how many could not be made."""
    logged = []
    failed = 0
    own = slice(chunk.first, chunk.last)
    for moment in np.unique(visits.shown_at[own]).tolist():
        system.advance(moment, writer)
        first, last = visits.count_until(moment - 1), visits.count_until(moment)
        shown, failures = pages.show(
            moment, visits.profile_ids[first:last], visits.devices[first:last]
        )
        logged += shown
        failed += len(failures)
        for failure in failures:
            profile_id = int(visits.profile_ids[first + failure.index])
            _log.warning(
                "page_failed",
                profile_id=system.external_ids.texts[EntityKind.PROFILE].get(
                    profile_id, profile_id
                ),
                shown_at=format_moment(moment),
                code=failure.code.name,
                reason=failure.message,
            )
        advance(last - first)
    system.advance(chunk.until, writer)
    if logged:
        texts = choose_texts(system.external_ids, logged)
        writer.append(logged, source=SOURCE, synthetic=True, external_ids=texts)
    return len(logged), failed
