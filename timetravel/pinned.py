"""Reads a pinned snapshot, with what concerns the whole catalogue held in memory.

A snapshot never changes, so the versions of the catalogue can be read once and answer every
moment after that: ten times faster than SQL, and the same to the bit. Rows about single
entities still come from the database.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import sqlalchemy as sa

from mesh.moments import EARLIEST_MICROS
from timetravel import changes
from timetravel.as_of import AsOfReader, JsonTexts
from timetravel.model import EntityKind
from timetravel.reader import (
    AvailabilityBitmaps,
    CatalogueFeatures,
    CatalogueRows,
    check_catalogue_group,
    check_names,
    digest_listing,
    newest,
)
from timetravel.schema import attribute_fact, availability_fact, feature_fact
from timetravel.versions import Licences, Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from timetravel.as_of_questions import AsOfQuestions
    from timetravel.engine import Connect
    from timetravel.registry import RegisteredGroup, Registry
    from timetravel.store import Store

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True, eq=False)
class _Vectors:
    """Feature versions of listed videos; a version without a vector is NaN."""

    versions: Versions
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    """Attribute versions of listed videos; a version without a value has text None."""

    versions: Versions
    texts: NDArray[np.object_]


class _Parts(Generic[Part]):
    """Loads each part once; safe to share between threads."""

    def __init__(self, load: Callable[[str], Part]) -> None:
        self._load = load
        self._lock = Lock()
        self._loaded: dict[str, Part] = {}

    def __getitem__(self, name: str) -> Part:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(name)
            return self._loaded[name]


class CatalogueMemory:
    """Holds the catalogue of one snapshot; parts are read when first asked for."""

    def __init__(
        self,
        connect: Connect,
        registry: Registry,
        snapshot: int,
        video_ids: NDArray[np.int64],
    ) -> None:
        self._connect = connect
        self._registry = registry
        self._snapshot = snapshot
        self.video_ids = video_ids
        self.version = digest_listing(self.video_ids)
        self.features = _Parts(self._load_features)
        self.attributes = _Parts(self._load_attribute)
        self._licences = _Parts(self._load_licences)

    @property
    def licences(self) -> Licences:
        """All licence windows."""
        return self._licences[changes.AVAILABILITY]

    def _load_features(self, group: str) -> _Vectors:
        registered: RegisteredGroup = self._registry[group]
        facts = feature_fact
        rows = self._listed(
            sa.select(
                facts.c.entity_id,
                facts.c.valid_from,
                facts.c.known_at,
                facts.c.op,
                facts.c.schema_version,
                facts.c.vector,
            )
            .where(
                facts.c.group_id == registered.group_id,
                facts.c.tx_id <= self._snapshot,
            )
            .order_by(facts.c.entity_id, facts.c.valid_from, facts.c.known_at, facts.c.tx_id)
        )
        vectors = [row[5] for row in rows]
        asserted = [row[4] if row[5] is not None else None for row in rows]
        return _Vectors(self._versions(rows), registered.decode(asserted, vectors))

    def _load_attribute(self, name: str) -> _Texts:
        facts = attribute_fact
        rows = self._listed(
            sa.select(
                facts.c.entity_id,
                facts.c.valid_from,
                facts.c.known_at,
                facts.c.op,
                facts.c.value,
            )
            .where(
                facts.c.kind == EntityKind.VIDEO.value,
                facts.c.name == name,
                facts.c.tx_id <= self._snapshot,
            )
            .order_by(facts.c.entity_id, facts.c.valid_from, facts.c.known_at, facts.c.tx_id)
        )
        texts = np.empty(len(rows), np.object_)
        texts[:] = [row[4] for row in rows]
        return _Texts(self._versions(rows), texts)

    def _load_licences(self, _name: str) -> Licences:
        facts = availability_fact
        with self._connect() as connection:
            rows = connection.execute(
                sa.select(
                    facts.c.window_id,
                    facts.c.known_at,
                    facts.c.op,
                    facts.c.valid_from,
                    facts.c.valid_to,
                    facts.c.video_id,
                    facts.c.country,
                )
                .where(facts.c.tx_id <= self._snapshot)
                .order_by(facts.c.window_id, facts.c.known_at, facts.c.tx_id)
            ).all()
        # Windows are told apart by name alone; databases do not sort text alike.
        windows = {name: place for place, name in enumerate({row[0]: None for row in rows})}
        names = tuple(sorted({row[6] for row in rows}))
        places = {name: place for place, name in enumerate(names)}
        return Licences(
            windows=_integers(windows[row[0]] for row in rows),
            known_at=_integers(row[1] for row in rows),
            ops=_integers(row[2] for row in rows).astype(np.int8),
            valid_from=_integers(row[3] for row in rows),
            valid_to=_integers(row[4] for row in rows),
            video_ids=_integers(row[5] for row in rows),
            countries=_integers(places[row[6]] for row in rows),
            country_names=names,
        )

    def _listed(self, statement: sa.Select[Any]) -> list[Any]:
        listed = set(self.video_ids.tolist())
        with self._connect() as connection:
            return [row for row in connection.execute(statement) if row[0] in listed]

    def _versions(self, rows: Sequence[Any]) -> Versions:
        ids = _integers(row[0] for row in rows)
        return Versions(
            keys=np.searchsorted(self.video_ids, ids),
            valid_from=_integers(row[1] for row in rows),
            known_at=_integers(row[2] for row in rows),
            ops=_integers(row[3] for row in rows).astype(np.int8),
        )


def _integers(values: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64)


class PinnedReader(AsOfReader):
    """Implements `timetravel.reader.FactReader` for a snapshot, the catalogue from memory.

    Args:
        connect: Opens a transaction that reads.
        questions: The statements of that database.
        snapshot: Newest transaction to read.
        known_by: Read as known by this moment rather than by each row's own.
        memory: Of the same snapshot; made when first needed if left out.
    """

    def __init__(
        self,
        connect: Connect,
        questions: AsOfQuestions,
        *,
        snapshot: int,
        known_by: int | None = None,
        memory: CatalogueMemory | None = None,
    ) -> None:
        super().__init__(connect, questions, snapshot=snapshot, known_by=known_by)
        self.memory = memory or CatalogueMemory(
            connect, self._registry, snapshot, self.entity_ids(EntityKind.VIDEO)
        )

    def known_by_moment(self, known_by: int | None) -> PinnedReader:
        """Return a reader of the same snapshot, and the same memory, as known otherwise."""
        return PinnedReader(
            self._connect,
            self._questions,
            snapshot=self.snapshot,
            known_by=known_by,
            memory=self.memory,
        )

    def catalogue_texts(
        self, at: int, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], CatalogueRows]:
        """Return attributes as JSON texts, and the rest of the answer without columns."""
        check_names(names)
        memory = self.memory
        texts: dict[str, JsonTexts] = {}
        newest_known_at = EARLIEST_MICROS
        for name in names:
            part = memory.attributes[name]
            visible = part.versions.visible(at, self._bound(at))
            column = np.full(len(memory.video_ids), None, np.object_)
            column[part.versions.keys[visible]] = part.texts[visible]
            texts[name] = column.tolist()
            newest_known_at = max(newest_known_at, newest(part.versions.known_at[visible]))
        with self._connect() as connection:
            unchanged_until = self._next_change(
                connection, [changes.attribute_subject(name) for name in names], at
            )
        return texts, CatalogueRows(
            memory.version, memory.video_ids, {}, unchanged_until, newest_known_at
        )

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return a feature group for the listing; see `FactReader.catalogue_features`."""
        registered = self._registry[group]
        check_catalogue_group(registered.group)
        part = self.memory.features[group]
        visible = part.versions.visible(at, self._bound(at))
        shape = (len(self.memory.video_ids), len(registered.group.fields))
        values = np.full(shape, np.nan, np.float32)
        values[part.versions.keys[visible]] = part.values[visible]
        with self._connect() as connection:
            unchanged_until = self._next_change(
                connection, [changes.features_subject(group)], at
            )
        return CatalogueFeatures(
            self.memory.version,
            registered.group,
            values,
            unchanged_until,
            newest(part.versions.known_at[visible]),
        )

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return licences of the listing; see `FactReader.availability`."""
        memory, licences = self.memory, self.memory.licences
        visible = licences.visible(at, self._bound(at))
        places = licences.countries[visible]
        present = np.unique(places)
        videos = licences.video_ids[visible]
        # A video with a licence but without any attribute is not in the catalogue yet.
        columns = np.minimum(
            np.searchsorted(memory.video_ids, videos), max(len(memory.video_ids) - 1, 0)
        )
        available = np.zeros((len(present), len(memory.video_ids)), np.bool_)
        if len(memory.video_ids):
            listed = memory.video_ids[columns] == videos
            available[np.searchsorted(present, places[listed]), columns[listed]] = True
        with self._connect() as connection:
            unchanged_until = self._next_change(connection, [changes.AVAILABILITY], at)
        return AvailabilityBitmaps(
            memory.version,
            tuple(licences.country_names[place] for place in present.tolist()),
            available,
            unchanged_until,
            newest(licences.known_at[visible]),
        )

    def _bound(self, at: int) -> int:
        return at if self.known_by is None else self.known_by


class PinnedReaders:
    """Keeps the readers of the snapshots asked for last; safe to share between threads.

    Args:
        store: To read.
        capacity: Snapshots whose catalogue is held at once.
    """

    def __init__(self, store: Store, *, capacity: int = 2) -> None:
        self._store = store
        self._capacity = capacity
        self._lock = Lock()
        self._readers: OrderedDict[int, PinnedReader] = OrderedDict()

    def as_of(self, snapshot: int | None, known_by: int | None) -> AsOfReader:
        """Return a reader; from memory if a snapshot is pinned that has been committed."""
        if snapshot is None:
            return self._store.as_of(None, known_by)
        with self._lock:
            reader = self._readers.get(snapshot)
            if reader is None:
                if snapshot > self._store.snapshot():
                    # It would go on changing, so it must not be kept.
                    return self._store.as_of(snapshot, known_by)
                reader = self._readers[snapshot] = self._store.pinned(snapshot)
            self._readers.move_to_end(snapshot)
            while len(self._readers) > self._capacity:
                self._readers.popitem(last=False)
        return reader.known_by_moment(known_by)
