"""A history as JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from timetravel.ledger.questions import HistoricalVersion


def history_records(
    history: Iterable[HistoricalVersion], about: str
) -> Iterator[dict[str, object]]:
    """Yield each version as JSON-able values.

    Args:
        history: Of one entity.
        about: The entity in words, e.g. "profile 17".
    """
    for one in history:
        version = one.version
        yield {
            "about": about,
            "kind": version.kind.name.lower(),
            "name": version.name,
            "valid_from": format_moment(version.valid_from),
            "valid_to": _moment(version.valid_to),
            "known_at": format_moment(version.known_at),
            "op": version.op.name.lower(),
            "value": version.value,
            "is_visible": one.is_visible,
            "visible": [
                {"since": format_moment(span.since), "until": _moment(span.until)}
                for span in one.spans
            ],
            "tx_id": version.tx_id,
            "committed_at": format_moment(version.committed_at),
            "source": version.source,
            "synthetic": version.synthetic,
        }


def _moment(micros: int | None) -> str | None:
    return None if micros is None else format_moment(micros)
