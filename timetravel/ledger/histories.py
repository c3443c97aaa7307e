"""The full history of a subject: its versions, and when each was visible."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from timetravel.facts.model import FactKind
from timetravel.ledger.questions import HistoricalVersion
from timetravel.ledger.spans import Times, spans_of_holding, spans_of_identified

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from timetravel.ledger.versions import FactVersion, Subject

_IDENTIFIED: Final = {FactKind.EVENT, FactKind.AVAILABILITY, FactKind.LOGGED_PAGE}


def describe_history(
    subject: Subject, versions: Iterable[FactVersion], at: int, known_by: int | None
) -> list[HistoricalVersion]:
    """Return the versions about a subject with the spans in which they are visible.

    Args:
        subject: Whose history.
        versions: All that count, with those of the same ids that are about others.
        at: The moment at which `is_visible` is meant.
        known_by: Facts are read as known by this moment; None means as known at each moment.
    """
    by_key: dict[Hashable, list[FactVersion]] = defaultdict(list)
    for version in versions:
        by_key[_key(version)].append(version)
    described = []
    for alike in by_key.values():
        find = spans_of_identified if alike[0].kind in _IDENTIFIED else spans_of_holding
        times = [
            Times(
                version.valid_from,
                version.valid_to,
                version.known_at,
                version.tx_id,
                version.op,
            )
            for version in alike
        ]
        described += [
            HistoricalVersion(version, tuple(spans), any(span.holds(at) for span in spans))
            for version, spans in zip(alike, find(times, known_by), strict=True)
            if version.about == subject
        ]
    return sorted(described, key=lambda one: one.version.place)


def _key(version: FactVersion) -> Hashable:
    if version.kind is FactKind.LOGGED_PAGE:
        return version.kind, version.valid_from
    return version.kind, version.name
