"""The live system between visits: facts become known, and feature jobs run."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from services.page.inputs import VIDEO_FEATURE_GROUPS, VIDEO_TRENDING
from timetravel.facts.model import AttributeFact, EntityKind, EventFact
from worlds.external_ids import choose_texts
from worlds.features.events import find_places
from worlds.features.jobs import ProfileJob, VideoJob
from worlds.features.registry import FeatureSpaces
from worlds.features.schedule import JOB_MICROS, Grid
from worlds.live.catalogue_memory import CatalogueMemory
from worlds.live.delivered_vectors import DeliveredGroup
from worlds.live.horizon import Horizon
from worlds.live.known_attributes import KnownAttributes
from worlds.live.known_events import KnownEvents
from worlds.live.validity_edges import FOREVER_MICROS
from worlds.records import SourcedFact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from core.arrays import Float32Array, Int64Array
    from timetravel.facts.model import Fact, FeatureFact, FeatureGroup
    from timetravel.queries.live_reader import CurrentReader
    from timetravel.writing.writer import Writer
    from worlds.directory import World

    _Features = tuple[Int64Array, Mapping[str, Float32Array]]
    _Compute = Callable[[int], _Features]

SOURCE: Final = "features"
_FLUSH_FACTS: Final = 50_000


class LiveSystem:
    """Let facts become known in order, and run the feature jobs on their grids.

    What became known by `lived_until` is in the store already: the system takes it in again
    without writing, so that it stands as if it had never stopped.

    Args:
        world: To live.
        lived_until: The moment up to which the store holds everything, microseconds.
    """

    def __init__(self, world: World, lived_until: int) -> None:
        manifest = world.manifest
        self.spaces: Final = FeatureSpaces.of(manifest)
        self._video_grid: Final = Grid(manifest.video_grid_micros)
        self._profile_grid: Final = Grid(manifest.profile_grid_micros)
        self.horizon: Final = Horizon(world.timeline, self._video_grid)
        self.memory: Final = CatalogueMemory()
        self.external_ids: Final = world.external_ids()
        self._delivered: Final = {group.name: DeliveredGroup(group) for group in self.groups}
        self._world_is_synthetic = manifest.synthetic
        self._lived_until = lived_until
        self._events = KnownEvents()
        self._attributes = KnownAttributes(self.spaces)
        self._facts = _Ahead(world.timeline.facts())
        self._video_due = self._video_grid.at_or_after(manifest.since_micros)
        self._profile_due = FOREVER_MICROS
        self._touched: set[int] = set()
        self._in_flight: list[FeatureFact] = []
        self._unwritten: list[SourcedFact] = []

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """Return the feature groups that the jobs fill."""
        return (*self.spaces.video_groups(), *self.spaces.profile_groups())

    def delivered(self, group: str) -> DeliveredGroup:
        """Return the newest vectors of a group."""
        return self._delivered[group]

    def restore(self, reader: CurrentReader) -> None:
        """Take the vectors that the store holds at the moment up to which it has lived."""
        for group in self.groups:
            ids = reader.entity_ids(group.entity_kind)
            self._delivered[group.name].restore(reader, ids, self._lived_until)

    def advance(self, moment: int, writer: Writer) -> None:
        """Let everything happen up to and including a moment, and write it."""
        while True:
            due = min(moment, self._video_due, self._profile_due, self._next_delivery())
            due = self._learn_until(due, writer)
            if self._next_delivery() == due:
                self._deliver()
            if self._video_due == due:
                self._video_due = self._video_grid.after(due)
                self._run(due, self._compute_video_features)
            if self._profile_due == due:
                self._profile_due = FOREVER_MICROS
                self._run(due, self._compute_profile_features)
                self._touched.clear()
            if due == moment:
                break
        self._write(writer)

    def _learn_until(self, due: int, writer: Writer) -> int:
        """Let facts become known up to a moment, or to the first job that one of them asks for.

        Returns:
            The moment reached.
        """
        while self._facts.next_known_at <= due:
            entry = self._facts.take()
            fact = entry.fact
            self.horizon.learn(fact)
            if isinstance(fact, EventFact):
                self._events.learn(fact)
                self._touched.add(fact.profile_id)
                if self._profile_due == FOREVER_MICROS:
                    self._profile_due = self._profile_grid.at_or_after(fact.known_at)
                    due = min(due, self._profile_due)
            elif isinstance(fact, AttributeFact):
                self._attributes.learn(fact)
                if fact.kind is EntityKind.VIDEO:
                    self.memory.learn(fact)
            if fact.known_at > self._lived_until:
                self._unwritten.append(entry)
                if len(self._unwritten) >= _FLUSH_FACTS:
                    self._write(writer)
        return due

    def _next_delivery(self) -> int:
        return self._in_flight[0].known_at if self._in_flight else FOREVER_MICROS

    def _run(self, at: int, compute: _Compute) -> None:
        """Run a job, unless the store holds its results already."""
        if at + JOB_MICROS <= self._lived_until:
            return
        entity_ids, features = compute(at)
        for group, values in features.items():
            self._in_flight += self._delivered[group].changes(entity_ids, values, at)

    def _compute_video_features(self, at: int) -> _Features:
        profiles = self._attributes.profile_ids()
        events = self._events.all()
        countries = self._attributes.countries(profiles, at)
        of_events = countries[find_places(profiles, events.profile_ids)]
        video_ids = self._attributes.content(at).video_ids
        return video_ids, VideoJob(events, of_events, video_ids).compute(self.spaces, at)

    def _compute_profile_features(self, at: int) -> _Features:
        profile_ids = np.array(sorted(self._touched), np.int64)
        events = self._events.of_profiles(profile_ids.tolist())
        job = ProfileJob(events, profile_ids, self._attributes.content(at))
        return profile_ids, job.compute(self.spaces, at)

    def _deliver(self) -> None:
        by_group: defaultdict[str, list[FeatureFact]] = defaultdict(list)
        for fact in self._in_flight:
            by_group[fact.group].append(fact)
        for group, facts in by_group.items():
            self._delivered[group].deliver(facts)
            if group in VIDEO_FEATURE_GROUPS:
                for fact in facts:
                    self.memory.learn_vector(fact)
            # Countries are synthetic even where the events are not.
            synthetic = self._world_is_synthetic or group == VIDEO_TRENDING
            self._unwritten += [SourcedFact(fact, SOURCE, synthetic) for fact in facts]
        self._in_flight.clear()

    def _write(self, writer: Writer) -> None:
        texts = choose_texts(self.external_ids, (entry.fact for entry in self._unwritten))
        by_source: defaultdict[tuple[str, bool], list[Fact]] = defaultdict(list)
        for fact, source, synthetic in self._unwritten:
            by_source[source, synthetic].append(fact)
        for (source, synthetic), facts in by_source.items():
            writer.append(facts, source=source, synthetic=synthetic, external_ids=texts)
        self._unwritten.clear()


class _Ahead:
    """Look one fact ahead."""

    def __init__(self, facts: Iterator[SourcedFact]) -> None:
        self._facts = facts
        self._next = next(facts, None)

    @property
    def next_known_at(self) -> int:
        """When the next fact becomes known."""
        return FOREVER_MICROS if self._next is None else self._next.fact.known_at

    def take(self) -> SourcedFact:
        """Return the next fact."""
        if self._next is None:
            raise AssertionError("there is no next fact")
        taken, self._next = self._next, next(self._facts, None)
        return taken
