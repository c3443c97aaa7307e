"""Facts that many pages share, read once per epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mesh.call.context import current_context
from services.page.configuration import PageConfiguration, apply_overlay, parse_configuration
from services.page.inputs import CONFIGURATION_COLLECTION, CONFIGURATION_NAME
from services.shared_facts.epochs import FOREVER_MICROS, Epoch, EpochCache
from timetravel.reading.leak_guard import GuardedReader
from timetravel.rpc.client import TimeTravelClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import grpc

    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import (
        AvailabilityBitmaps,
        CatalogueFeatures,
        CatalogueRows,
        DocumentVersion,
        FactReader,
    )

Value = TypeVar("Value")

CAPACITY = 16
"""Epochs kept of each kind; a whole catalogue's features are a few megabytes."""


@dataclass(frozen=True, slots=True)
class KnownConfiguration:
    """Hold a configuration and the newest `known_at` behind it."""

    configuration: PageConfiguration
    newest_known_at: int


def connect_facts(channel: grpc.Channel) -> FactReader:
    """Return a reader of the time-travel service, for the context of each call.

    An answer that holds what was not yet known is refused (LeakedFact), so no page is made
    of it, whoever let it through.
    """
    return GuardedReader(TimeTravelClient(channel), lambda: current_context().known_by_micros)


class SharedFacts:
    """Read catalogue, licences, features and documents, and keep them by epoch.

    Args:
        reader: Where facts are read; `reader` stays reachable for what pages do not share.
        attributes: Names of the video attributes to read.
        configuration_overlay: JSON merge patch laid over every configuration document.
    """

    def __init__(
        self,
        reader: FactReader,
        *,
        attributes: Sequence[str] = (),
        configuration_overlay: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self.reader = reader
        self._attributes = tuple(attributes)
        self._overlay = dict(configuration_overlay or {})
        self.catalogue = EpochCache(self._load_catalogue, capacity=CAPACITY)
        self.availability = EpochCache(self._load_availability, capacity=CAPACITY)
        self.configuration = EpochCache(self._load_configuration, capacity=CAPACITY)
        self._features: dict[str, EpochCache[CatalogueFeatures]] = {}
        self._documents: dict[tuple[str, str], EpochCache[DocumentVersion]] = {}

    def features(self, group: str) -> EpochCache[CatalogueFeatures]:
        """Return the epochs of a feature group over the whole catalogue."""

        def load(at: int) -> Epoch[CatalogueFeatures]:
            answer = self.reader.catalogue_features(group, at)
            return _epoch(at, answer.unchanged_until, answer)

        return self._features.setdefault(group, EpochCache(load, capacity=CAPACITY))

    def documents(self, collection: str, name: str) -> EpochCache[DocumentVersion]:
        """Return the epochs of a document."""

        def load(at: int) -> Epoch[DocumentVersion]:
            answer = self.reader.document(collection, name, at)
            return _epoch(at, answer.unchanged_until, answer)

        key = (collection, name)
        return self._documents.setdefault(key, EpochCache(load, capacity=CAPACITY))

    def forget(self, *, momentary_only: bool = False) -> None:
        """Drop what is kept, or only what nothing is promised about."""
        self.catalogue.forget(momentary_only=momentary_only)
        self.availability.forget(momentary_only=momentary_only)
        self.configuration.forget(momentary_only=momentary_only)
        for features in self._features.values():
            features.forget(momentary_only=momentary_only)
        for documents in self._documents.values():
            documents.forget(momentary_only=momentary_only)

    def _load_catalogue(self, at: int) -> Epoch[CatalogueRows]:
        answer = self.reader.catalogue(at, self._attributes)
        return _epoch(at, answer.unchanged_until, answer)

    def _load_availability(self, at: int) -> Epoch[AvailabilityBitmaps]:
        answer = self.reader.availability(at)
        return _epoch(at, answer.unchanged_until, answer)

    def _load_configuration(self, at: int) -> Epoch[KnownConfiguration]:
        answer = self.reader.document(CONFIGURATION_COLLECTION, CONFIGURATION_NAME, at)
        body = apply_overlay(answer.body, self._overlay)
        configuration = parse_configuration(body, schema_version=answer.schema_version)
        known = KnownConfiguration(configuration, answer.newest_known_at)
        return _epoch(at, answer.unchanged_until, known)


def _epoch(at: int, unchanged_until: int | None, value: Value) -> Epoch[Value]:
    until = FOREVER_MICROS if unchanged_until is None else unchanged_until
    return Epoch(at, until, value)
