"""A reader that remembers what several stages read of the same pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from timetravel.reading.forwarding import ForwardingReader

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from timetravel.facts.model import EntityKind, EventKind
    from timetravel.reading.reader import (
        AttributeRows,
        FactReader,
        HistoryRows,
        Identities,
        Moments,
    )

Answer = TypeVar("Answer")


class BatchReader(ForwardingReader):
    """Remember what was answered of profiles until told to forget."""

    def __init__(self, reader: FactReader) -> None:
        super().__init__(reader)
        self._answers: dict[Hashable, object] = {}

    def forget(self) -> None:
        """Drop the remembered answers."""
        self._answers.clear()

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return the named attributes of each row."""
        return self._once(
            ("attributes", kind, _key(entity_ids), _key(at), tuple(names)),
            lambda: super(BatchReader, self).attributes(kind, entity_ids, at, names),
        )

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row."""
        first = None if since is None else _key(since)
        return self._once(
            ("history", _key(profile_ids), _key(at), tuple(kinds), max_events, first),
            lambda: super(BatchReader, self).history(profile_ids, at, kinds, max_events, since),
        )

    def _once(self, key: Hashable, read: Callable[[], Answer]) -> Answer:
        if key not in self._answers:
            self._answers[key] = read()
        return cast("Answer", self._answers[key])


def _key(values: Identities | Moments) -> bytes:
    return np.asarray(values, np.int64).tobytes()
